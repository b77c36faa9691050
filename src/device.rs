//! The only module that names a backend: `auto | cuda[:i] | vulkan[:i] | wgpu[:i] | cpu` to a burn [`Device`], with the reason.
//!
//! `auto` takes a CUDA GPU whose toolkit's `libdevice` is found (every exponential needs it), else a real GPU through wgpu
//! (never a software rasteriser), else the CPU. Nothing is opened that was not asked for, so that a binary with every
//! backend compiled in starts on a machine with none of them.

use std::fmt;
use std::str::FromStr;

pub use burn::tensor::Device;
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
use burn::tensor::DeviceType;

#[cfg(not(feature = "flex"))]
compile_error!(
    "tailor needs the `flex` feature: evaluation, checks and the fallback of `auto` run on the CPU"
);

/// The CPU, without autodiff.
pub fn cpu() -> Device {
    Device::flex()
}

/// Keeps graphics drivers from writing `error: XDG_RUNTIME_DIR is invalid` to stderr, once per look at the GPUs, where there is no
/// desktop session: in containers, over ssh, under a job scheduler.
///
/// Mesa's Vulkan layer `device_select` asks a Wayland compositor which GPU it shows its windows on. It needs a folder for its
/// socket or a socket's absolute path, and complains when it has neither; given a path where no socket is, it goes on in silence.
///
/// # Safety
/// It sets an environment variable, so no other thread may be running: call it first in `main`.
pub unsafe fn quiet_graphics_drivers() {
    use std::path::Path;
    let absolute = |name: &str| std::env::var_os(name).is_some_and(|value| Path::new(&value).is_absolute());
    if cfg!(target_os = "linux") && !absolute("XDG_RUNTIME_DIR") && !absolute("WAYLAND_DISPLAY") {
        // SAFETY: the caller sees to it that this is the only thread.
        unsafe { std::env::set_var("WAYLAND_DISPLAY", "/dev/null") };
    }
}

/// What a user may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Choice {
    /// The best that was found.
    #[default]
    Auto,
    /// An NVIDIA GPU through CUDA, by index.
    Cuda(usize),
    /// Any GPU through Vulkan with SPIR-V shaders, by index.
    Vulkan(usize),
    /// Any GPU through wgpu (Vulkan, Metal or DX12), by index; a software device only when it is asked for by index.
    Wgpu(Option<usize>),
    /// The CPU.
    Cpu,
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => {
                let index = index
                    .parse()
                    .map_err(|_| DeviceError::Unknown { text: text.into() })?;
                (kind, Some(index))
            }
            None => (text, None),
        };
        match (kind, index) {
            ("auto", None) => Ok(Choice::Auto),
            ("cpu", None) => Ok(Choice::Cpu),
            ("cuda", i) => Ok(Choice::Cuda(i.unwrap_or(0))),
            ("vulkan", i) => Ok(Choice::Vulkan(i.unwrap_or(0))),
            ("wgpu", i) => Ok(Choice::Wgpu(i)),
            _ => Err(DeviceError::Unknown { text: text.into() }),
        }
    }
}

/// A device that cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("`{text}` is not a device")]
    #[diagnostic(help("write auto, cpu, cuda, cuda:1, wgpu, wgpu:1, vulkan or vulkan:1"))]
    Unknown {
        /// What was written.
        text: String,
    },
    /// The backend is not compiled in.
    #[error("this binary was built without `{backend}`")]
    #[diagnostic(help(
        "build it with `cargo build --release --features {backend}`, or take --device auto: `tailor devices` shows what this binary can use"
    ))]
    NotBuilt {
        /// The cargo feature that brings it.
        backend: &'static str,
    },
    /// There is no such device.
    #[error("there is no {backend} device {index}: {found} found")]
    #[diagnostic(help("`tailor devices` lists what was found; --device auto takes the best of it"))]
    Missing {
        /// The backend.
        backend: &'static str,
        /// The index asked for.
        index: usize,
        /// How many there are.
        found: usize,
    },
    /// Only devices that a processor plays.
    #[error("there is no real {backend} GPU: {found} software device(s) found")]
    #[diagnostic(help(
        "name one to use it all the same (`--device {backend}:0`): it is slow, and compiles for minutes before its first step; \
         --device cpu is faster"
    ))]
    Software {
        /// The backend.
        backend: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A number type that the device has no arithmetic for.
    #[error("this device cannot compute in {name}")]
    #[diagnostic(help(
        "leave model.precision out, or train on another --device: CUDA has both bf16 and f16"
    ))]
    Precision {
        /// The type.
        name: &'static str,
    },
    /// CUDA without `libdevice`.
    #[error("CUDA device {index} is there, but the toolkit's libdevice.10.bc is not")]
    #[diagnostic(help(
        "exponentials and logarithms are compiled from <CUDA root>/nvvm/libdevice/libdevice.10.bc; install the CUDA toolkit, or set CUDA_PATH to a folder that holds it; --device wgpu needs neither"
    ))]
    NoLibdevice {
        /// The index asked for.
        index: usize,
    },
}

/// A device that was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Found {
    /// What to write after `--device`.
    pub name: String,
    /// What it calls itself.
    pub description: String,
    /// A software device is never taken by `auto`.
    pub software: bool,
    /// Why it cannot be used, if so.
    pub problem: Option<String>,
}

/// A device and why it was taken.
#[derive(Clone)]
pub struct Resolved {
    /// The device, without autodiff.
    pub device: Device,
    /// What to write after `--device` to get it again.
    pub name: String,
    /// One sentence for the user.
    pub reason: String,
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.reason)
    }
}

/// Everything that this binary can reach, best first, as [`resolve`] with [`Choice::Auto`] looks at it.
pub fn list() -> Vec<Found> {
    let mut found = Vec::new();
    #[cfg(feature = "cuda")]
    for (index, device) in cuda_devices().into_iter().enumerate() {
        found.push(Found {
            name: format!("cuda:{index}"),
            description: describe(&device),
            software: false,
            problem: (!has_libdevice())
                .then(|| "libdevice.10.bc is missing: install the CUDA toolkit or set CUDA_PATH".to_string()),
        });
    }
    #[cfg(feature = "vulkan")]
    for (index, device) in enumerate(DeviceType::Vulkan).into_iter().enumerate() {
        found.push(wgpu_entry("vulkan", index, &device));
    }
    #[cfg(feature = "wgpu")]
    for (index, device) in enumerate(DeviceType::Wgpu).into_iter().enumerate() {
        found.push(wgpu_entry("wgpu", index, &device));
    }
    found.push(Found {
        name: "cpu".into(),
        description: format!(
            "{} threads",
            std::thread::available_parallelism().map_or(1, |n| n.get())
        ),
        software: false,
        problem: None,
    });
    found
}

/// The device for a choice. `auto` never fails; a device that was asked for by name is had or is an error.
pub fn resolve(choice: Choice) -> Result<Resolved, DeviceError> {
    match choice {
        Choice::Auto => Ok(auto()),
        Choice::Cpu => Ok(Resolved {
            device: cpu(),
            name: "cpu".into(),
            reason: "asked for".into(),
        }),
        Choice::Cuda(index) => cuda(index),
        Choice::Vulkan(index) => vulkan(index),
        Choice::Wgpu(index) => wgpu(index),
    }
}

fn auto() -> Resolved {
    let mut why_not = Vec::new();
    if cfg!(feature = "cuda") {
        match cuda(0) {
            Ok(found) => return with_reason(found, "auto: the first CUDA GPU"),
            Err(error) => why_not.push(match error {
                DeviceError::Missing { .. } => "no CUDA GPU was found".to_string(),
                other => other.to_string(),
            }),
        }
    }
    if cfg!(feature = "vulkan") {
        match vulkan(0) {
            Ok(found) => {
                return with_reason(
                    found,
                    &because("auto: the first real GPU through Vulkan", &why_not),
                );
            }
            Err(_) => why_not.push("no real GPU through Vulkan".into()),
        }
    }
    if cfg!(feature = "wgpu") {
        match wgpu(None) {
            Ok(found) => {
                return with_reason(found, &because("auto: the first real GPU through wgpu", &why_not));
            }
            Err(_) => why_not.push("no real GPU through wgpu".into()),
        }
    }
    if !cfg!(feature = "cuda") {
        why_not.push("this binary was built without CUDA".into());
    }
    Resolved {
        device: cpu(),
        name: "cpu".into(),
        reason: because("auto", &why_not),
    }
}

fn because(what: &str, why_not: &[String]) -> String {
    match why_not.is_empty() {
        true => what.to_string(),
        false => format!("{what}: {}", why_not.join(", ")),
    }
}

fn with_reason(found: Resolved, reason: &str) -> Resolved {
    Resolved {
        reason: format!("{reason}, {}", found.reason),
        ..found
    }
}

#[cfg(feature = "cuda")]
fn cuda_devices() -> Vec<Device> {
    enumerate(DeviceType::Cuda)
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Resolved, DeviceError> {
    let devices = cuda_devices();
    let found = devices.len();
    let device = devices.into_iter().nth(index).ok_or(DeviceError::Missing {
        backend: "CUDA",
        index,
        found,
    })?;
    if !has_libdevice() {
        return Err(DeviceError::NoLibdevice { index });
    }
    Ok(Resolved {
        reason: describe(&device),
        name: format!("cuda:{index}"),
        device,
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Resolved, DeviceError> {
    Err(DeviceError::NotBuilt { backend: "cuda" })
}

/// Where the CUDA compiler looks for the bit code of exp, log, pow, …
#[cfg(feature = "cuda")]
fn has_libdevice() -> bool {
    let given = std::env::var_os("CUDA_PATH").map(std::path::PathBuf::from);
    let usual = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"].map(std::path::PathBuf::from);
    given
        .into_iter()
        .chain(usual)
        .any(|root| root.join("nvvm/libdevice/libdevice.10.bc").is_file())
}

#[cfg(feature = "vulkan")]
fn vulkan(index: usize) -> Result<Resolved, DeviceError> {
    real_gpu("vulkan", DeviceType::Vulkan, Some(index))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_: usize) -> Result<Resolved, DeviceError> {
    Err(DeviceError::NotBuilt { backend: "vulkan" })
}

#[cfg(feature = "wgpu")]
fn wgpu(index: Option<usize>) -> Result<Resolved, DeviceError> {
    real_gpu("wgpu", DeviceType::Wgpu, index)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_: Option<usize>) -> Result<Resolved, DeviceError> {
    Err(DeviceError::NotBuilt { backend: "wgpu" })
}

/// The device at `index` whatever it is, or the first that is no software device.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn real_gpu(backend: &'static str, kind: DeviceType, index: Option<usize>) -> Result<Resolved, DeviceError> {
    let devices = enumerate(kind);
    let found = devices.len();
    let mut candidates = devices.into_iter().enumerate();
    let taken = match index {
        Some(index) => candidates.nth(index),
        None => candidates.find(|(_, device)| !is_software(device)),
    };
    let (position, device) = taken.ok_or(match index {
        None if found > 0 => DeviceError::Software { backend, found },
        _ => DeviceError::Missing {
            backend,
            index: index.unwrap_or(0),
            found,
        },
    })?;
    let software = match is_software(&device) {
        true => ", a software device: it compiles for minutes before its first step",
        false => "",
    };
    Ok(Resolved {
        reason: format!("{}{software}", describe(&device)),
        name: format!("{backend}:{position}"),
        device,
    })
}

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn wgpu_entry(backend: &str, index: usize, device: &Device) -> Found {
    Found {
        name: format!("{backend}:{index}"),
        description: describe(device),
        software: is_software(device),
        problem: None,
    }
}

/// A driver that is broken must not end a program which can do without it.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn enumerate(kind: DeviceType) -> Vec<Device> {
    quietly(|| Device::enumerate(kind).into_vec()).unwrap_or_default()
}

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn describe(device: &Device) -> String {
    quietly(|| device.identity())
        .flatten()
        .map_or_else(|| "unnamed device".into(), |identity| identity.name)
}

/// A software rasteriser is no card on any bus.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn is_software(device: &Device) -> bool {
    quietly(|| device.identity())
        .flatten()
        .is_none_or(|identity| identity.physical.is_none())
}

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn quietly<T>(ask: impl FnOnce() -> T) -> Option<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).ok();
    std::panic::set_hook(hook);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        assert_eq!("auto".parse::<Choice>().unwrap(), Choice::Auto);
        assert_eq!("cuda:1".parse::<Choice>().unwrap(), Choice::Cuda(1));
        assert_eq!("wgpu".parse::<Choice>().unwrap(), Choice::Wgpu(None));
        assert_eq!("wgpu:2".parse::<Choice>().unwrap(), Choice::Wgpu(Some(2)));
        for wrong in ["gpu", "cuda:x", "cpu:1", ""] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_is_always_listed_and_had() {
        assert_eq!(list().last().unwrap().name, "cpu");
        assert_eq!(resolve(Choice::Cpu).unwrap().name, "cpu");
    }
}
