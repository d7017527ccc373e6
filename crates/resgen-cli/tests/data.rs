//! `data inspect` and `completions`.

mod common;

use common::Workplace;

#[test]
fn a_folder_is_described_in_text_and_json() {
    let place = Workplace::with_pictures();
    place.write("pictures/lion/broken.png", "no picture");
    let found = place.json(&["data", "inspect", "pictures", "--sheet", "sheet.png"]);
    assert_eq!((&found["files"], &found["readable"]), (&13.into(), &12.into()));
    assert_eq!(found["classes"][1]["name"], "zebra");
    assert_eq!(found["problems"][0]["path"], "lion/broken.png");
    assert!(place.path("sheet.png").exists());
    let shown = place.run(&["data", "inspect", "pictures"]).succeeds().stdout;
    assert!(shown.contains("lion 6, zebra 6"), "{shown}");
    assert!(shown.contains("lion/broken.png: "), "{shown}");
}

#[test]
fn a_folder_without_classes_can_be_described() {
    let place = Workplace::with_pictures();
    let found = place.json(&["data", "inspect", "pictures/lion", "--layout", "flat"]);
    assert_eq!(found["files"], 6);
}

#[test]
fn completions_name_the_commands() {
    let script = Workplace::new().run(&["completions", "bash"]).succeeds().stdout;
    assert!(script.contains("reconstruct"));
}

#[test]
fn every_command_has_help_with_examples() {
    let place = Workplace::new();
    for command in
        [&["data", "inspect"][..], &["tokenizer", "train"], &["tokenizer", "reconstruct"], &["inspect"]]
    {
        let help = place.run(&[command, &["--help"]].concat()).succeeds().stdout;
        assert!(help.contains("Examples:\n  resgen "), "{help}");
    }
}
