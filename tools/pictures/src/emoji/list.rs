//! Unicode's emoji-test.txt: which emoji there are, what they are called and where they belong.

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoji {
    /// The code points, as listed.
    pub codes: Vec<char>,
    /// The English name.
    pub name: String,
    /// The group it is under.
    pub group: String,
    /// The sub-group it is under.
    pub subgroup: String,
}

/// Words that tell variants of one drawing apart.
const VARIANT_WORDS: [&str; 12] =
    ["man", "woman", "person", "men", "women", "people", "boy", "girl", "child", "adult", "mr", "mrs"];

impl Emoji {
    /// Whether the sequence holds a skin-tone modifier: those repeat a drawing in other colours.
    pub fn has_skin_tone(&self) -> bool {
        self.codes.iter().any(|c| ('\u{1F3FB}'..='\u{1F3FF}').contains(c))
    }

    /// What the variants of one drawing share: the name without words for sex and age. The split
    /// keeps them on one side, or a runner held out would be known from the runner trained on.
    pub fn design(&self) -> String {
        let lower = self.name.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric() && !"#*’'".contains(c));
        let kept: Vec<&str> = words.filter(|w| !w.is_empty() && !VARIANT_WORDS.contains(w)).collect();
        if kept.is_empty() { "person".into() } else { kept.join(" ") }
    }

    /// The code points in hexadecimal, joined by hyphens: a unique, safe file name.
    pub fn hex(&self) -> String {
        self.codes.iter().map(|&c| format!("{:x}", u32::from(c))).collect::<Vec<_>>().join("-")
    }
}

/// The fully-qualified emoji of the list; other lines (comments, components, other spellings of
/// the same emoji) are passed over.
pub fn parse(text: &str) -> Vec<Emoji> {
    let (mut group, mut subgroup) = (String::new(), String::new());
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# group:") {
            group = name.trim().to_string();
        } else if let Some(name) = line.strip_prefix("# subgroup:") {
            subgroup = name.trim().to_string();
        } else if let Some((codes, name)) = entry(line) {
            all.push(Emoji { codes, name, group: group.clone(), subgroup: subgroup.clone() });
        }
    }
    all
}

/// `codes ; status # picture Eversion name`, when the status is fully-qualified.
fn entry(line: &str) -> Option<(Vec<char>, String)> {
    let (codes, rest) = line.split_once(';')?;
    let (status, comment) = rest.split_once('#')?;
    if status.trim() != "fully-qualified" {
        return None;
    }
    let codes: Option<Vec<char>> = codes
        .split_whitespace()
        .map(|hex| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32))
        .collect();
    let mut words = comment.split_whitespace().skip(1).peekable();
    // Lists older than version 12.1 have no version word before the name.
    words.next_if(|w| w.strip_prefix('E').is_some_and(|v| v.parse::<f32>().is_ok()));
    let name = words.collect::<Vec<_>>().join(" ");
    codes.filter(|c| !c.is_empty() && !name.is_empty()).map(|codes| (codes, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# group: People & Body

# subgroup: person-activity
1F3C3 200D 2642 FE0F                                   ; fully-qualified     # 🏃‍♂️ E4.0 man running
1F3C3 200D 2642                                        ; minimally-qualified # 🏃‍♂ E4.0 man running
1F3C3 1F3FB                                            ; fully-qualified     # 🏃🏻 E1.0 person running: light skin tone

# group: Symbols
# subgroup: keycap
0023 FE0F 20E3                                         ; fully-qualified     # #️⃣ E0.6 keycap: #
";

    #[test]
    fn fully_qualified_lines_are_read_with_their_headings() {
        let all = parse(LIST);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].codes, ['\u{1F3C3}', '\u{200D}', '\u{2642}', '\u{FE0F}']);
        assert_eq!((all[0].name.as_str(), all[0].group.as_str()), ("man running", "People & Body"));
        assert_eq!((all[2].name.as_str(), all[2].subgroup.as_str()), ("keycap: #", "keycap"));
        assert_eq!(all[2].hex(), "23-fe0f-20e3");
    }

    #[test]
    fn skin_tones_are_seen() {
        assert_eq!(parse(LIST).iter().map(Emoji::has_skin_tone).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn variants_share_a_design_and_others_do_not() {
        let named = |name: &str| Emoji { name: name.into(), ..parse(LIST)[0].clone() }.design();
        assert_eq!(named("man running"), named("woman running"));
        assert_eq!(named("family: man, woman, girl"), "family");
        assert_eq!(named("woman"), "person");
        assert_ne!(named("flag: France"), named("flag: Ghana"));
        assert_ne!(named("keycap: #"), named("keycap: *"));
    }

    #[test]
    fn malformed_lines_are_passed_over() {
        for line in [
            "",
            "# a comment; with # signs",
            "ZZZZ ; fully-qualified # x E1.0 name",
            "1F600 ; fully-qualified # x",
        ] {
            assert_eq!(entry(line), None, "{line}");
        }
        let old = entry("1F600 ; fully-qualified # 😀 grinning face");
        assert_eq!(old, Some((vec!['\u{1F600}'], "grinning face".into())));
    }
}
