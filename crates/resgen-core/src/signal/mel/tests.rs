use super::*;

fn noise(count: usize) -> Vec<f32> {
    // A linear congruential generator is noise enough.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn the_scales_go_there_and_back() {
    for scale in [MelScale::Slaney, MelScale::Htk] {
        for hz in [0.0, 300.0, 999.0, 1000.0, 4000.0, 11_025.0] {
            assert!((scale.hz(scale.mels(hz)) - hz).abs() < 1e-9 * (1.0 + hz), "{scale:?} {hz}");
        }
    }
    // 6.4 kHz is 27 logarithmic steps above 1 kHz.
    assert!((MelScale::Slaney.mels(6400.0) - 42.0).abs() < 1e-9);
    assert!((MelScale::Htk.mels(1000.0) - 1000.0).abs() < 0.02);
}

#[test]
fn a_sound_comes_back_from_its_spectrum() {
    for padding in [Padding::Centre, Padding::Same] {
        let stft = Stft::new(StftConfig { size: 256, window: 200, hop: 50, padding });
        let sound = noise(1000);
        let spectrum = stft.forward(&sound);
        assert_eq!(spectrum.frames(), stft.config().frames(1000));
        assert_eq!(spectrum.frames(), if padding == Padding::Centre { 21 } else { 20 });
        let found = stft.inverse(&spectrum, 1000);
        let worst = sound.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{padding:?}: {worst}");
    }
}

#[test]
fn very_short_sounds_are_reflected_more_than_once() {
    let transform = MelTransform::new(MelConfig::speech()).unwrap();
    for samples in [1, 2, 3, 100] {
        let mel = transform.forward(&Sound::new(16_000, noise(samples)).unwrap()).unwrap();
        assert_eq!(mel.frames(), samples / 256);
    }
    let centred = MelTransform::new(MelConfig::vocos()).unwrap();
    let mel = centred.forward(&Sound::new(24_000, vec![0.5]).unwrap()).unwrap();
    assert_eq!(mel.frames(), 1);
    assert!(mel.values.iter().all(|value| value.is_finite()));
}

#[test]
fn a_spectrogram_is_of_one_rate() {
    let transform = MelTransform::new(MelConfig::speech()).unwrap();
    let wrong = transform.forward(&Sound::new(8_000, noise(800)).unwrap());
    assert!(matches!(wrong, Err(Error::Mismatch { .. })));
    assert!(matches!(transform.forward(&Sound::new(16_000, vec![]).unwrap()), Err(Error::Argument { .. })));
}

#[test]
fn settings_out_of_range_are_named() {
    let key = |change: fn(&mut MelConfig)| {
        let mut config = MelConfig::speech();
        change(&mut config);
        match config.validate("tokenizer.mel").unwrap_err() {
            Error::Config { key, .. } => key,
            other => panic!("{other}"),
        }
    };
    assert_eq!(key(|config| config.highest = 8_001.0), "tokenizer.mel.highest");
    assert_eq!(key(|config| config.lowest = -1.0), "tokenizer.mel.lowest");
    assert_eq!(key(|config| config.bins = 0), "tokenizer.mel.bins");
    assert_eq!(key(|config| config.floor = 0.0), "tokenizer.mel.floor");
    assert_eq!(key(|config| config.stft.size = 1023), "tokenizer.mel.stft.size");
    assert_eq!(key(|config| config.stft.hop = 2000), "tokenizer.mel.stft.hop");
    assert_eq!(key(|config| config.stft.window = 0), "tokenizer.mel.stft.window");
    for preset in
        [MelConfig::speech(), MelConfig::bigvgan(24_000), MelConfig::bigvgan(22_050), MelConfig::vocos()]
    {
        preset.validate("mel").unwrap();
    }
}

#[test]
fn a_short_spectrogram_is_repeated_and_a_long_one_is_not() {
    let mel = |values: Vec<f32>| Mel { bins: 2, values };
    let short = mel(vec![1.0, 2.0, 3.0, 4.0]);
    assert_eq!(short.clone().repeated(5).values, [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0]);
    assert_eq!(short.clone().repeated(1), short);
    assert_eq!(mel(vec![]).repeated(3).frames(), 0);
}
