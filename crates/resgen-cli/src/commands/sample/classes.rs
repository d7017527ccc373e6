//! `--class`: names and numbers to classes.

use resgen_core::error::nearest;
use resgen_core::{Error, Result};

/// Names that an error message lists.
const NAMED: usize = 12;

/// The classes that are asked for, in order. A name counts before a number: classes can be called `7`.
///
/// # Errors
/// [`Error::Argument`] for a class that `names` does not have, with the nearest one.
pub fn resolve(asked: &[String], names: &[String]) -> Result<Vec<usize>> {
    let mut classes = Vec::new();
    for text in asked {
        if let Some(class) = names.iter().position(|name| name == text) {
            classes.push(class);
        } else if text == "all" {
            classes.extend(0..names.len());
        } else {
            classes.push(by_number(text, names)?);
        }
    }
    Ok(classes)
}

fn by_number(text: &str, names: &[String]) -> Result<usize> {
    match text.parse() {
        Ok(class) if class < names.len() => Ok(class),
        Ok(_) => {
            let reason = format!("expected a number less than {}, found {text}", names.len());
            Err(Error::argument("--class", reason))
        }
        Err(_) => {
            let hint = nearest(text, names.iter().map(String::as_str));
            let listed = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if names.len() > NAMED { ", …" } else { "" };
            let reason =
                format!("unknown class `{text}`{hint}; the model has {}: {listed}{more}", names.len());
            Err(Error::argument("--class", reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(asked: &[&str], names: &[&str]) -> Result<Vec<usize>> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        resolve(&owned(asked), &owned(names))
    }

    #[test]
    fn a_name_counts_before_a_number() {
        let names = ["lion", "zebra", "0"];
        assert_eq!(resolved(&["zebra", "0", "1"], &names).unwrap(), [1, 2, 1]);
        assert_eq!(resolved(&["all"], &names).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn an_unknown_class_is_told_the_nearest() {
        let error = |text| resolved(&[text], &["lion", "zebra"]).unwrap_err().to_string();
        assert!(error("zerba").contains("unknown class `zerba` (did you mean `zebra`?)"));
        assert_eq!(error("2"), "--class: expected a number less than 2, found 2");
    }
}
