//! What the program says when it is used wrongly, or when a file is not what it should be.

mod common;

use common::{TRAIN_TOKENIZER, Workplace};

#[test]
fn an_unknown_command_names_a_near_one() {
    let ended = Workplace::new().run(&["tokeniser"]).fails(2, &["unrecognized subcommand 'tokeniser'"]);
    assert!(ended.stderr.contains("tokenizer"), "{}", ended.stderr);
}

#[test]
fn a_wrong_config_key_is_named_with_the_nearest_one() {
    let place = Workplace::with_pictures();
    let set = ["--set", "train.stpes=3"];
    place
        .run(&[&TRAIN_TOKENIZER[..], &set].concat())
        .fails(2, &["config key `train.stpes`", "did you mean `steps`?"]);
    let set = ["--set", "train.batch=0"];
    place
        .run(&[&TRAIN_TOKENIZER[..], &set].concat())
        .fails(2, &["config key `train.batch`: expected at least 1, found 0"]);
}

#[test]
fn a_config_that_is_no_toml_names_the_file() {
    let place = Workplace::with_pictures();
    place.write("tokenizer.toml", "[data\n");
    place.run(&TRAIN_TOKENIZER).fails(1, &["tokenizer.toml: TOML parse error at line 1"]);
}

#[test]
fn an_empty_folder_and_pictures_without_classes_say_what_is_expected() {
    let place = Workplace::with_pictures();
    std::fs::create_dir(place.path("empty")).unwrap();
    place
        .run(&["data", "inspect", "empty"])
        .fails(1, &["empty: the folder is empty; expected one sub-folder of pictures a class"]);
    place
        .run(&["data", "inspect", "pictures/lion"])
        .fails(1, &["pictures/lion: 6 pictures lie directly in it; expected one sub-folder a class"]);
    place
        .run(&[&TRAIN_TOKENIZER[..], &["--set", "data.train=empty"]].concat())
        .fails(1, &["empty: the folder is empty"]);
    place.run(&["data", "inspect", "absent"]).fails(1, &["absent: No such file or directory"]);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let place = Workplace::with_pictures();
    place.write("file", "");
    let out = ["--config", "tokenizer.toml", "--out", "file/run"];
    place.run(&[&["tokenizer", "train"], &out[..]].concat()).fails(1, &["file/run: Not a directory"]);
    place
        .run(&["data", "inspect", "pictures", "--sheet", "file/sheet.png"])
        .fails(1, &["file/sheet.png: Not a directory"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_a_failure() {
    let place = Workplace::with_pictures();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["data", "inspect", "pictures", "--json"]).stdout(full).output().unwrap();
    common::Ended::from(output).fails(1, &["standard output: No space left on device"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure_that_names_the_file() {
    let place = Workplace::with_pictures();
    std::fs::create_dir(place.path("tiny")).unwrap();
    // A file system of its own, which is gone with the command: no rights are needed where user
    // namespaces are allowed.
    let inside = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        let mount = "mount -t tmpfs -o size=16k none tiny";
        command.arg(format!("{mount} && {script}")).current_dir(place.path("")).output()
    };
    if !inside("true").is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let program = env!("CARGO_BIN_EXE_resgen");
    let script = format!("{program} tokenizer train --config tokenizer.toml --out tiny/run");
    let ended = common::Ended::from(inside(&script).unwrap());
    ended.fails(1, &["tiny/run/checkpoints/", "No space left on device"]);
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let place = Workplace::with_pictures();
    place.write("notes.txt", "These are no weights.");
    place.run(&["inspect", "notes.txt"]).fails(1, &["notes.txt: not a whole safetensors file"]);
    let reconstruct = ["tokenizer", "reconstruct", "notes.txt", "pictures", "--out", "out"];
    place.run(&reconstruct).fails(1, &["notes.txt: not a whole safetensors file"]);
    place.run(&["inspect", "absent"]).fails(1, &["absent: No such file or directory"]);
}

#[test]
fn a_device_that_is_not_built_in_says_how_to_build_it() {
    let place = Workplace::new();
    place.run(&["--device", "cdua", "inspect", "x"]).fails(2, &["did you mean `cuda`?"]);
    if cfg!(not(feature = "cuda")) {
        let reconstruct = ["tokenizer", "reconstruct", "x", "y", "--out", "z", "--device", "cuda:1"];
        place.run(&reconstruct).fails(2, &["built without `cuda`", "--features cuda"]);
    }
}
