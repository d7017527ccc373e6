//! The demo writes what it says.

use std::process::Command;

use resgen_core::signal::Picture;
use resgen_core::signal::sound::Sound;

#[test]
fn writes_its_pictures_and_sounds_and_models_that_make_more() {
    let folder = tempfile::tempdir().unwrap();
    let resgen = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_resgen")).args(arguments).current_dir(folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = resgen(&["demo", "--samples", "1"]);
    assert!(said.contains("13 pictures of 13 classes") && said.contains("resgen sample"), "{said}");
    for name in ["samples", "unmasking", "reconstructions", "spectrograms"] {
        let picture = Picture::open(folder.path().join(format!("resgen-demo/{name}.png"))).unwrap();
        let first = &picture.rgb()[..3];
        assert!(picture.rgb().chunks(3).any(|pixel| pixel != first), "{name} is of one colour");
    }
    let model = "resgen-demo/model.safetensors";
    resgen(&["sample", model, "--class", "upper_Q", "--steps", "2", "--out", "q"]);
    assert!(folder.path().join("q/00000-upper_Q.png").exists());

    let audible = |name: &str| {
        let sound = Sound::open(folder.path().join(name)).unwrap();
        let loudest = sound.samples().iter().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs()));
        assert!(sound.seconds() > 0.5 && loudest > 0.05, "{name}: {} s, {loudest}", sound.seconds());
    };
    audible("resgen-demo/spoken.wav");
    audible("resgen-demo/prompt.wav");
    let next = said.lines().find(|line| line.contains("resgen speak")).unwrap();
    assert!(next.contains("--prompt resgen-demo/prompt.wav"), "{next}");
    let voices = "resgen-demo/voices.safetensors";
    resgen(&["speak", voices, "Hello there.", "--steps", "2", "--out", "hello.wav"]);
    audible("hello.wav");
}
