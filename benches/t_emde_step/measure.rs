//! Clocks, and what a line of output says.

use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;

/// Seconds of processor time of this process, all threads; Linux alone says.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in parentheses: state is field 3, user and system time are 14 and 15, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

/// The most memory that this process had, in MiB; Linux alone says.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Waits until the device has done all that it was asked for.
pub fn wait(device: &Device) {
    device.sync().expect("the device has failed");
}

/// Wall and processor time of steps, in milliseconds.
#[derive(Default)]
pub struct Times {
    wall: Vec<f64>,
    processor: Vec<f64>,
    start: Option<(Instant, Option<f64>)>,
}

impl Times {
    pub fn start(&mut self) {
        self.start = Some((Instant::now(), processor_seconds()));
    }

    /// `counts`: a step to warm up does not.
    pub fn stop(&mut self, counts: bool) {
        if let Some((start, cpu)) = self.start.take().filter(|_| counts) {
            self.wall.push(start.elapsed().as_secs_f64() * 1000.0);
            let threads = std::thread::available_parallelism().map_or(1, usize::from) as f64;
            self.processor.extend(
                cpu.zip(processor_seconds())
                    .map(|(start, end)| (end - start) * 1000.0 / threads),
            );
        }
    }

    /// Median, least and greatest wall time.
    pub fn wall(&mut self) -> [f64; 3] {
        self.wall.sort_by(f64::total_cmp);
        let count = self.wall.len();
        [self.wall[count / 2], self.wall[0], self.wall[count - 1]]
    }
}

/// GFLOP/s of burn's product of 1024 × 1024 matrices, the best of 20.
pub fn matmul_rate(device: &Device) -> f64 {
    const SIZE: usize = 1024;
    let values: Vec<f32> = (0..SIZE * SIZE).map(|at| (at % 251) as f32 * 0.01).collect();
    let x = Tensor::<2>::from_data(TensorData::new(values, [SIZE, SIZE]), device);
    let mut least = f64::INFINITY;
    for _ in 0..21 {
        let start = Instant::now();
        let y = x.clone().matmul(x.clone());
        wait(device);
        least = least.min(start.elapsed().as_secs_f64());
        drop(y);
    }
    2.0 * (SIZE as f64).powi(3) / least * 1e-9
}

/// What was measured.
pub struct Measured<'a> {
    pub what: String,
    pub shape: [usize; 2],
    pub times: Times,
    /// GFLOP of the matrix products of a step.
    pub gflop: f64,
    /// Blocks that were timed, and blocks that there are: the times are made longer by the quotient.
    pub blocks: [usize; 2],
    pub device: &'a Device,
    /// A loss or a mean score, to see that both sides computed something alike.
    pub value: f32,
}

impl Measured<'_> {
    pub fn print(mut self) {
        let [timed, all] = self.blocks;
        let longer = all as f64 / timed as f64;
        let wall = self.times.wall().map(|ms| ms * longer);
        let mut processor = self.times.processor;
        processor.sort_by(f64::total_cmp);
        let rate = matmul_rate(self.device);
        let own = self.gflop / wall[1] * 1000.0;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "{}",
            serde_json::json!({
                "what": self.what, "images": self.shape[0], "captions": self.shape[1], "threads": threads,
                "ms": tenth(wall[0]), "least": tenth(wall[1]), "greatest": tenth(wall[2]),
                "cpu": processor.get(processor.len() / 2).map(|&ms| tenth(ms * longer)),
                "blocks": timed, "of": all, "gflop": tenth(self.gflop), "gflops": tenth(own),
                "matmul_gflops": tenth(rate), "share": (own / rate * 100.0).round() / 100.0,
                "peak_mib": most_memory(), "value": self.value,
            })
        );
    }
}

/// Where a step's time goes, on stderr where `LAPS` is set. Says nothing of a device that works behind the program's back.
pub struct Laps(Option<(Instant, String)>);

impl Laps {
    pub fn new() -> Self {
        Self(std::env::var_os("LAPS").map(|_| (Instant::now(), String::new())))
    }

    pub fn over(&mut self, what: &str) {
        if let Some((start, text)) = &mut self.0 {
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            text.push_str(&format!("{what} {ms:.0} ms, "));
            *start = Instant::now();
        }
    }

    pub fn print(self) {
        if let Some((_, text)) = self.0 {
            eprintln!("{text}");
        }
    }
}
