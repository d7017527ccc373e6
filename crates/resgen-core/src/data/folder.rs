//! A folder of pictures: which files there are, and which class each belongs to.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::walk::{self, Kind};
use crate::error::{Error, Result};

/// The extensions of the files taken for pictures, in lower case.
pub const EXTENSIONS: [&str; 15] = [
    "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tga", "tif", "tiff",
    "webp",
];

/// How the pictures of a folder are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One sub-folder a class; the sub-folders' names in order are the classes 0, 1, ...
    #[default]
    Classes,
    /// All pictures are alike, in sub-folders or not.
    Flat,
}

/// One picture of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file, relative to the folder.
    pub path: PathBuf,
    /// The index of its class; 0 in a flat folder.
    pub class: u32,
}

/// Something about a file or folder that keeps it from being used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file or folder, relative to the folder of pictures.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The pictures of a folder, in an order that depends on their names only.
#[derive(Clone, Debug)]
pub struct PictureFolder {
    root: PathBuf,
    classes: Vec<String>,
    items: Vec<Item>,
    problems: Vec<Problem>,
}

impl PictureFolder {
    /// Lists the pictures of `root`: files with one of the [`EXTENSIONS`], in sub-folders of any depth,
    /// by symbolic links too. Hidden files and folders are left out. No picture is opened.
    ///
    /// A class folder without pictures keeps its index, so that folders with the same sub-folders
    /// have the same classes; it is listed in [`Self::problems`].
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be read; [`Error::File`] when `root` is no folder, is empty,
    /// holds no pictures, or has no class folders though `layout` asks for them.
    pub fn scan(root: impl AsRef<Path>, layout: Layout) -> Result<Self> {
        let root = root.as_ref();
        let mut folder =
            Self { root: root.to_owned(), classes: Vec::new(), items: Vec::new(), problems: Vec::new() };
        if !std::fs::metadata(root).map_err(Error::io(root))?.is_dir() {
            return Err(Error::file(root, "not a folder"));
        }
        match layout {
            Layout::Classes => folder.list_classes()?,
            Layout::Flat => folder.list_class(Path::new(""), 0)?,
        }
        if folder.items.is_empty() {
            let extensions = EXTENSIONS.join(" ");
            return Err(Error::file(
                root,
                format!("no pictures in it (looked for the extensions {extensions})"),
            ));
        }
        folder.problems.sort();
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names of the classes, by index; none for a flat folder.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The pictures: by class, then by name. Never none.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// What was found that cannot be used: classes without pictures, broken links, loose files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The whole path of an item.
    pub fn path_of(&self, item: &Item) -> PathBuf {
        self.root.join(&item.path)
    }

    fn list_classes(&mut self) -> Result<()> {
        let mut names: Vec<OsString> = Vec::new();
        let mut loose = 0;
        for entry in walk::entries(&self.root, Path::new(""))? {
            match entry.kind {
                Kind::Folder => names.extend(entry.path.file_name().map(OsStr::to_owned)),
                Kind::File if is_picture(&entry.path) => loose += 1,
                Kind::File => {}
                Kind::Broken(reason) => self.problems.push(Problem { path: entry.path, reason }),
            }
        }
        if names.is_empty() {
            return Err(Error::file(&self.root, no_classes(loose)));
        }
        if loose > 0 {
            let reason = format!("{loose} pictures lie beside the class folders and belong to no class");
            self.problems.push(Problem { path: PathBuf::new(), reason });
        }
        for (class, name) in (0..).zip(names) {
            self.classes.push(name.to_string_lossy().into_owned());
            let before = self.items.len();
            self.list_class(Path::new(&name), class)?;
            if self.items.len() == before {
                self.problems.push(Problem { path: name.into(), reason: "a class without pictures".into() });
            }
        }
        Ok(())
    }

    fn list_class(&mut self, folder: &Path, class: u32) -> Result<()> {
        let mut files = walk::files(&self.root, folder, &mut self.problems)?;
        files.retain(|path| is_picture(path));
        files.sort();
        self.items.extend(files.into_iter().map(|path| Item { path, class }));
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn no_classes(loose: usize) -> String {
    if loose == 0 {
        return "the folder is empty; expected one sub-folder of pictures a class".into();
    }
    format!(
        "{loose} pictures lie directly in it; expected one sub-folder a class (cats/1.png, dogs/2.png, ...). \
         Move each class into a sub-folder of its own, or choose the layout `flat` for pictures without classes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn listed(folder: &PictureFolder) -> Vec<(String, u32)> {
        let item = |item: &Item| (item.path.display().to_string(), item.class);
        folder.items().iter().map(item).collect()
    }

    #[test]
    fn classes_and_pictures_are_in_the_order_of_their_names() {
        let root =
            folder_of(&["b/2.png", "b/10.JPG", "a/x/y.webp", "a/notes.txt", "a/.hidden.png", ".git/z.png"]);
        let folder = PictureFolder::scan(root.path(), Layout::Classes).unwrap();
        assert_eq!(folder.classes(), ["a", "b"]);
        let expected = [("a/x/y.webp", 0), ("b/10.JPG", 1), ("b/2.png", 1)];
        assert_eq!(listed(&folder), expected.map(|(path, class)| (path.to_owned(), class)));
        assert!(folder.problems().is_empty());
        assert_eq!(folder.path_of(&folder.items()[2]), root.path().join("b/2.png"));
    }

    #[test]
    fn an_empty_class_keeps_its_index_and_is_reported() {
        let root = folder_of(&["b/1.png", "loose.png"]);
        std::fs::create_dir(root.path().join("a")).unwrap();
        let folder = PictureFolder::scan(root.path(), Layout::Classes).unwrap();
        assert_eq!(folder.classes(), ["a", "b"]);
        assert_eq!(listed(&folder), [("b/1.png".to_owned(), 1)]);
        let problems: Vec<_> =
            folder.problems().iter().map(|p| (p.path.to_str().unwrap(), &*p.reason)).collect();
        let loose = "1 pictures lie beside the class folders and belong to no class";
        assert_eq!(problems, [("", loose), ("a", "a class without pictures")]);
    }

    #[test]
    fn a_flat_folder_has_no_classes() {
        let root = folder_of(&["b.png", "a/1.png"]);
        let folder = PictureFolder::scan(root.path(), Layout::Flat).unwrap();
        assert!(folder.classes().is_empty());
        assert_eq!(listed(&folder), [("a/1.png".to_owned(), 0), ("b.png".to_owned(), 0)]);
    }

    #[test]
    fn a_folder_that_cannot_serve_says_why() {
        let reason = |files: &[&str], layout| {
            PictureFolder::scan(folder_of(files).path(), layout).unwrap_err().to_string()
        };
        assert!(reason(&[], Layout::Classes).contains("the folder is empty"));
        assert!(reason(&["1.png", "2.png"], Layout::Classes).contains("2 pictures lie directly in it"));
        assert!(reason(&["a/1.txt"], Layout::Classes).contains("no pictures in it"));
        assert!(reason(&[], Layout::Flat).contains("no pictures in it"));
        let missing = PictureFolder::scan("does/not/exist", Layout::Flat).unwrap_err();
        assert!(matches!(missing, Error::Io { .. }));
        let root = folder_of(&["file"]);
        let file = PictureFolder::scan(root.path().join("file"), Layout::Flat).unwrap_err();
        assert!(file.to_string().contains("not a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let root = folder_of(&["a/1.png"]);
        let elsewhere = folder_of(&["deep/2.png"]);
        symlink(root.path().join("a/1.png"), root.path().join("a/link.png")).unwrap();
        symlink(elsewhere.path(), root.path().join("b")).unwrap();
        symlink(root.path(), root.path().join("a/circle")).unwrap();
        symlink("nowhere", root.path().join("a/broken.png")).unwrap();
        let folder = PictureFolder::scan(root.path(), Layout::Classes).unwrap();
        let expected = [("a/1.png", 0), ("a/link.png", 0), ("b/deep/2.png", 1)];
        assert_eq!(listed(&folder), expected.map(|(path, class)| (path.to_owned(), class)));
        let paths: Vec<_> = folder.problems().iter().map(|problem| problem.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a/broken.png", "a/circle"]);
    }
}
