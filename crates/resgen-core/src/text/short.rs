//! What is written short in English, and what is said.

/// Where a word that is written short, with a full stop, is what it is said as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a number.
    Number,
    /// Behind a number and a name: `5 Elm Dr.`
    House,
    /// Behind a name and before none: `down Wall St. and`
    Road,
    /// Before a name.
    Name,
    /// Before anything that goes on.
    Middle,
    /// Anywhere; no sentence ends with it before another.
    Within,
    /// Anywhere.
    Anywhere,
}

/// What is written short, where, and what is said. Of the same word the first that fits holds.
pub(super) const SHORT: &[(&str, Place, &str)] = &[
    ("no", Place::Number, "number"),
    ("nos", Place::Number, "numbers"),
    ("fig", Place::Number, "figure"),
    ("vol", Place::Number, "volume"),
    ("ch", Place::Number, "chapter"),
    ("sec", Place::Number, "section"),
    ("art", Place::Number, "article"),
    ("eq", Place::Number, "equation"),
    ("op", Place::Number, "opus"),
    ("rev", Place::Number, "revision"),
    ("p", Place::Number, "page"),
    ("pp", Place::Number, "pages"),
    ("apt", Place::Number, "apartment"),
    ("rm", Place::Number, "room"),
    ("ste", Place::Number, "suite"),
    ("rte", Place::Number, "route"),
    ("hwy", Place::Number, "highway"),
    ("tel", Place::Number, "telephone"),
    ("st", Place::House, "street"),
    ("dr", Place::House, "drive"),
    ("st", Place::Road, "street"),
    ("ft", Place::Name, "fort"),
    ("col", Place::Name, "colonel"),
    ("gen", Place::Name, "general"),
    ("gov", Place::Name, "governor"),
    ("hon", Place::Name, "honorable"),
    ("maj", Place::Name, "major"),
    ("rep", Place::Name, "representative"),
    ("rev", Place::Name, "reverend"),
    ("sen", Place::Name, "senator"),
    ("jan", Place::Middle, "January"),
    ("feb", Place::Middle, "February"),
    ("mar", Place::Middle, "March"),
    ("apr", Place::Middle, "April"),
    ("jun", Place::Middle, "June"),
    ("jul", Place::Middle, "July"),
    ("aug", Place::Middle, "August"),
    ("sep", Place::Middle, "September"),
    ("sept", Place::Middle, "September"),
    ("oct", Place::Middle, "October"),
    ("nov", Place::Middle, "November"),
    ("dec", Place::Middle, "December"),
    ("mon", Place::Middle, "Monday"),
    ("tues", Place::Middle, "Tuesday"),
    ("thurs", Place::Middle, "Thursday"),
    ("fri", Place::Middle, "Friday"),
    ("mr", Place::Within, "mister"),
    ("mrs", Place::Within, "missus"),
    ("ms", Place::Within, "miz"),
    ("messrs", Place::Within, "messieurs"),
    ("dr", Place::Within, "doctor"),
    ("prof", Place::Within, "professor"),
    ("st", Place::Within, "saint"),
    ("mt", Place::Within, "mount"),
    ("capt", Place::Within, "captain"),
    ("lt", Place::Within, "lieutenant"),
    ("sgt", Place::Within, "sergeant"),
    ("vs", Place::Within, "versus"),
    ("approx", Place::Within, "approximately"),
    ("ca", Place::Within, "circa"),
    ("e.g", Place::Within, "for example"),
    ("i.e", Place::Within, "that is"),
    ("a.m", Place::Anywhere, "a m"),
    ("p.m", Place::Anywhere, "p m"),
    ("al", Place::Anywhere, "al"),
    ("jr", Place::Anywhere, "junior"),
    ("sr", Place::Anywhere, "senior"),
    ("bros", Place::Anywhere, "brothers"),
    ("co", Place::Anywhere, "company"),
    ("corp", Place::Anywhere, "corporation"),
    ("inc", Place::Anywhere, "incorporated"),
    ("ltd", Place::Anywhere, "limited"),
    ("etc", Place::Anywhere, "et cetera"),
    ("dept", Place::Anywhere, "department"),
    ("ave", Place::Anywhere, "avenue"),
    ("blvd", Place::Anywhere, "boulevard"),
    ("rd", Place::Anywhere, "road"),
    ("ft", Place::Anywhere, "feet"),
];
/// What is written short behind a number: of one, of many.
pub(super) const UNITS: &[(&str, &str, &str)] = &[
    ("ft", "foot", "feet"),
    ("in", "inch", "inches"),
    ("yd", "yard", "yards"),
    ("mi", "mile", "miles"),
    ("oz", "ounce", "ounces"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("min", "minute", "minutes"),
    ("sec", "second", "seconds"),
];
/// Words that begin sentences and no names: a sentence ends with what is written short before them, and with an initial.
pub(super) const BEGINNINGS: &str = "a after all also although an and another any anyone are as at because before both but by can could did \
    do does each even every everybody everyone few for from had has have he her here his how however i if in instead is it its just later \
    let many maybe meanwhile more most my no nobody not nothing now of oh on once one only or other our perhaps please several she should \
    since so some soon still such suddenly that the their then there these they this those to today tomorrow tonight two was we well were \
    what when where whether which while who whose why with would yes yesterday yet you your";
