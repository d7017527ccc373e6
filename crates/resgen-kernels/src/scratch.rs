//! Memory that is used again and again.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Buffers of a thread that nobody uses at the moment.
type Idle<T> = RefCell<Vec<Vec<T>>>;

/// What buffers are made of.
pub trait Scratch: Copy + Default + 'static {
    /// Those of this thread.
    const IDLE: &LocalKey<Idle<Self>>;
}

thread_local! {
    static NUMBERS: Idle<f32> = const { RefCell::new(Vec::new()) };
    static HALVES: Idle<u16> = const { RefCell::new(Vec::new()) };
}

impl Scratch for f32 {
    const IDLE: &LocalKey<Idle<Self>> = &NUMBERS;
}

impl Scratch for u16 {
    const IDLE: &LocalKey<Idle<Self>> = &HALVES;
}

/// Gives `work` a buffer of `length` elements, which hold anything.
pub fn with_scratch<T: Scratch, R>(length: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    // Taken out, not borrowed: a thread that waits for others may begin another task in the meantime.
    let mut buffer = T::IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
    let result = work(&mut buffer[..length]);
    T::IDLE.with_borrow_mut(|idle| idle.push(buffer));
    result
}
