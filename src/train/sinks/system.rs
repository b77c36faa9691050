//! What the machine does meanwhile: memory and processor load.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The name of the figure that says how many images are trained on in a second.
pub const IMAGES_PER_SECOND: &str = "images_per_second";

/// The name of the figure that says which share of the time (0 to 1) the training thread waits for data.
pub const DATA_WAIT: &str = "data_wait";

/// Reads the machine's figures. Make one per run; each reading covers the time since the one before.
pub struct Probe {
    system: Option<System>,
    pid: Pid,
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Probe {
    /// Takes the first reading, which the next is compared with. On systems that cannot be read, all readings are empty.
    pub fn new() -> Self {
        let mut probe = Self {
            system: System::new().ok(),
            pid: Pid::from_u32(std::process::id()),
        };
        probe.sample();
        probe
    }

    /// Memory of this process (`memory_mib`, resident), its processor load (`cpu_percent`, 100 is one core) and the whole machine's
    /// (`machine_cpu_percent`, 100 is all cores). Reads two small files on Linux: call it once per logging interval.
    pub fn sample(&mut self) -> Vec<(String, f64)> {
        let Some(system) = &mut self.system else {
            return Vec::new();
        };
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_cpu_usage();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, kind);
        let Some(process) = system.process(self.pid) else {
            return Vec::new();
        };
        vec![
            (
                "memory_mib".to_string(),
                process.memory() as f64 / (1024.0 * 1024.0),
            ),
            ("cpu_percent".to_string(), f64::from(process.cpu_usage())),
            (
                "machine_cpu_percent".to_string(),
                f64::from(system.global_cpu_usage()),
            ),
        ]
    }
}

/// The most memory that this process has held so far, in bytes, where the system says.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_grows_with_what_is_allocated() {
        let mut probe = Probe::new();
        let before = probe.sample()[0].1;
        let block = std::hint::black_box(vec![1u8; 256 << 20]);
        let after = probe.sample()[0].1;
        assert_eq!(block[block.len() - 1], 1);
        assert!(
            before > 1.0 && after - before > 200.0,
            "{before} MiB, then {after} MiB"
        );
    }
}
