//! The 62 classes and their folder names.

/// How many classes there are.
pub const COUNT: usize = 62;

/// All characters, in class order: upper case, lower case, digits.
pub fn characters() -> impl Iterator<Item = char> + Clone {
    ('A'..='Z').chain('a'..='z').chain('0'..='9')
}

/// The class's folder: case is spelt out, because `A` and `a` are one folder on some file systems.
pub fn folder(character: char) -> String {
    let kind = match character {
        'A'..='Z' => "upper",
        'a'..='z' => "lower",
        _ => "digit",
    };
    format!("{kind}_{character}")
}

/// The class index with upper and lower case folded together.
pub fn caseless(class: usize) -> usize {
    if (26..52).contains(&class) { class - 26 } else { class }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn there_are_sixty_two_folders_even_when_case_is_ignored() {
        let folders: HashSet<String> = characters().map(|c| folder(c).to_lowercase()).collect();
        assert_eq!((characters().count(), folders.len()), (COUNT, COUNT));
        assert_eq!([folder('A'), folder('a'), folder('0')], ["upper_A", "lower_a", "digit_0"]);
    }

    #[test]
    fn folding_case_pairs_the_letters_and_leaves_the_digits() {
        let all: Vec<char> = characters().collect();
        for (class, c) in all.iter().enumerate() {
            assert_eq!(all[caseless(class)], c.to_ascii_uppercase());
        }
    }
}
