//! Which module may know which: every module of the library imports only from its own line of this table
//! or from lines above it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules, lowest first.
const LAYERS: [&[&str]; 8] = [
    &["error", "atomic", "digest", "progress", "random", "schedule", "sealed", "text", "workers"],
    &["signal", "nn"],
    &["features", "rvq", "condition", "head"],
    &["mask"],
    &["tokenizer", "model", "vocoder"],
    &["sample"],
    &["data", "train", "eval"],
    &["compare", "speak"],
];

/// What is forbidden on one line: the first never imports the second.
const FORBIDDEN: [(&str, &str); 5] =
    [("tokenizer", "model"), ("model", "tokenizer"), ("train", "eval"), ("data", "train"), ("data", "eval")];

/// The modules that each module's sources refer to.
type References = BTreeMap<String, BTreeSet<String>>;

fn line_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&module))
}

/// What is wrong with the references, one line each.
fn violations(references: &References) -> Vec<String> {
    let mut wrong = Vec::new();
    for (module, imports) in references {
        let Some(line) = line_of(module) else {
            wrong.push(format!("`{module}` has no place in the table of layers"));
            continue;
        };
        for import in imports.iter().filter(|import| *import != module) {
            let allowed = line_of(import).is_some_and(|below| below <= line)
                && !FORBIDDEN.contains(&(module.as_str(), import.as_str()));
            if !allowed {
                wrong.push(format!("`{module}` imports `{import}`"));
            }
        }
    }
    wrong
}

/// A source without comments, texts and what is compiled for tests only.
fn code(source: &str) -> String {
    without_tests(&without_comments_and_texts(source))
}

/// Leaves out comments, and the content of texts and characters.
fn without_comments_and_texts(source: &str) -> String {
    let bytes = source.as_bytes();
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &source[at..];
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = text_length(source, at) {
            kept.extend(b"\"\"");
            length
        } else {
            0
        };
        if skipped == 0 {
            kept.push(bytes[at]);
            at += 1;
            while !source.is_char_boundary(at) {
                kept.push(bytes[at]);
                at += 1;
            }
        }
        at += skipped;
    }
    String::from_utf8(kept).unwrap()
}

/// The length of the text or character literal at `at`, if there is one.
fn text_length(source: &str, at: usize) -> Option<usize> {
    let rest = &source[at..];
    let before = source[..at].chars().next_back();
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("r\"") || rest.starts_with("r#") && !in_name {
        let hashes = rest[1..].bytes().take_while(|&byte| byte == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            return Some(rest[start..].find(&close).map_or(rest.len(), |end| start + end + close.len()));
        }
    }
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut escaped = false;
    for (place, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => {
                // 'a' is a character; in <'a, 'b> the quotes are lifetimes.
                let inside = &rest[1..place];
                let is_literal = quote == '"' || inside.starts_with('\\') || inside.chars().count() == 1;
                return is_literal.then_some(place + 1);
            }
            _ => {}
        }
    }
    None
}

/// Leaves out every item after `#[cfg(test)]`: up to its `;`, or to the brace that closes it.
fn without_tests(source: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let (mut kept, mut rest) = (String::new(), source);
    while let Some(start) = rest.find(MARK) {
        kept += &rest[..start];
        rest = &rest[start + MARK.len()..];
        rest = &rest[item_length(rest)..];
    }
    kept + rest
}

fn item_length(source: &str) -> usize {
    let mut depth = 0;
    for (place, c) in source.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return place + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return place + 1,
            _ => {}
        }
    }
    source.len()
}

/// The top-level modules that `code`, the source of the module at `path` (names below the crate), refers to.
fn imports(code: &str, path: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (keyword, levels) in [("crate", path.len()), ("super", 1)] {
        for (start, _) in code.match_indices(&format!("{keyword}::")) {
            let before = code[..start].trim_end();
            let in_name = code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            // `super::super::` is counted from its first `super`.
            if in_name || before.ends_with("::") {
                continue;
            }
            let (mut rest, mut up) = (&code[start + keyword.len() + 2..], levels);
            while let Some(further) = rest.strip_prefix("super::") {
                (rest, up) = (further, up + 1);
            }
            if up >= path.len() {
                found.extend(heads(rest));
            }
        }
    }
    found
}

/// The first names of a path, or of every path of a `{…}` group. A name of a type or function that the root
/// re-exports counts as a name of the module `error`: there are no others.
fn heads(path: &str) -> Vec<String> {
    let name = |path: &str| {
        let name: String = path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        match name.starts_with(char::is_uppercase) {
            true => "error".to_owned(),
            false => name,
        }
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(name(&group[start..place]));
                start = place + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The files of a folder and all folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The names of the modules from the crate down to that of `file`, relative to `src`.
fn module_path(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// Files of tests only, by the names that this crate gives them.
fn is_test(file: &Path) -> bool {
    let name = file.file_stem().unwrap().to_str().unwrap();
    name == "tests" || name == "testing" || name.ends_with("_tests")
}

fn references(src: &Path) -> References {
    let mut references = References::new();
    for file in files(src) {
        let relative = file.strip_prefix(src).unwrap();
        let is_source = relative.extension().is_some_and(|extension| extension == "rs");
        if !is_source || relative == Path::new("lib.rs") || is_test(relative) {
            continue;
        }
        let path = module_path(relative);
        let found = imports(&code(&std::fs::read_to_string(&file).unwrap()), &path);
        references.entry(path[0].clone()).or_default().extend(found);
    }
    references
}

#[test]
fn every_module_imports_only_from_its_own_or_lower_layers() {
    let references = references(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // Were the parser blind, these would be missing.
    assert!(references["train"].contains("data") && references["rvq"].contains("random"), "{references:?}");
    let wrong = violations(&references);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn imports_of(source: &str, path: &[&str]) -> Vec<String> {
    let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
    imports(&code(source), &path).into_iter().collect()
}

#[test]
fn references_are_found_in_all_their_forms() {
    assert_eq!(imports_of("use crate::data::Pass;\npub(crate) fn f() {}", &["rvq"]), ["data"]);
    assert_eq!(imports_of("fn f() -> crate::Result<crate::eval::Report> {}", &["rvq"]), ["error", "eval"]);
    let group = "use crate::{data::{Pass, PassBatch}, Error, train as t, mask};";
    assert_eq!(imports_of(group, &["rvq"]), ["data", "error", "mask", "train"]);
    assert_eq!(imports_of("use crate::{\n    nn::Builder,\n    head,\n};", &["rvq"]), ["head", "nn"]);
}

#[test]
fn super_counts_where_it_reaches_the_root() {
    assert_eq!(imports_of("use super::super::train::run;", &["data", "cache"]), ["train"]);
    assert_eq!(imports_of("use super::train;", &["data"]), ["train"]);
    assert!(
        imports_of("use super::header::Header; use super::super::Pass;", &["data", "cache", "x"]).is_empty()
    );
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    let source = r##"
        //! [`crate::train`]
        /* crate::train */
        const A: &str = "crate::train \" crate::train";
        const B: &str = r#"crate::train " "#;
        const C: (char, char) = ('"', '\'');
        fn f<'a>(x: &'a str) -> &'a str { crate::nn::f(x) }
        #[cfg(test)]
        pub(crate) mod testing;
        #[cfg(test)]
        #[path = "x.rs"]
        mod tests { use crate::train; fn f() { if true {} } }
        use crate::mask::Mask;
    "##;
    assert_eq!(imports_of(source, &["rvq"]), ["mask", "nn"]);
}

#[test]
fn what_is_forbidden_is_reported() {
    let references = |module: &str, source: &str| {
        let found = imports_of(source, &[module]).into_iter().collect();
        References::from([(module.to_owned(), found)])
    };
    let wrong = |module, source| violations(&references(module, source));
    assert_eq!(wrong("rvq", "use crate::mask::Mask;"), ["`rvq` imports `mask`"]);
    assert_eq!(wrong("tokenizer", "use crate::model::Model;"), ["`tokenizer` imports `model`"]);
    assert_eq!(wrong("train", "use crate::eval::measure;"), ["`train` imports `eval`"]);
    assert_eq!(
        wrong("data", "use crate::{train::run, eval};"),
        ["`data` imports `eval`", "`data` imports `train`"]
    );
    assert_eq!(wrong("rvq", "use crate::novelty::X;"), ["`rvq` imports `novelty`"]);
    assert_eq!(wrong("novelty", ""), ["`novelty` has no place in the table of layers"]);
    assert!(wrong("train", "use crate::data::Pass; use crate::train::run;").is_empty());
    assert!(wrong("rvq", "use crate::head::Head; use crate::nn::Builder;").is_empty());
}
