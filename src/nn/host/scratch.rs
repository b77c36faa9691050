//! Buffers that a thread keeps from one task to the next.

use std::cell::Cell;
use std::thread::LocalKey;

/// The buffers of a thread, empty at first.
pub type Scratch<const N: usize> = Cell<[Vec<f32>; N]>;

/// Runs `work` on the buffers of the thread, of these lengths and with any content.
pub fn with_scratch<T, const N: usize>(
    scratch: &'static LocalKey<Scratch<N>>,
    lengths: [usize; N],
    work: impl FnOnce([&mut [f32]; N]) -> T,
) -> T {
    let mut buffers = scratch.replace([const { Vec::new() }; N]);
    let mut lengths = lengths.into_iter();
    let slices = buffers.each_mut().map(|buffer| {
        let length = lengths.next().unwrap_or(0);
        if buffer.len() < length {
            buffer.resize(length, 0.0);
        }
        &mut buffer[..length]
    });
    let answer = work(slices);
    scratch.set(buffers);
    answer
}
