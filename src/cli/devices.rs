//! `tailor devices`.

use crate::device::{self, Choice};

/// Which devices this binary can reach.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tailor devices")]
pub struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: DevicesArgs) -> crate::Result<()> {
    let found = device::list();
    let auto = device::resolve(Choice::Auto)?;
    if args.json {
        let found = serde_json::json!({ "devices": found, "auto": auto.name, "reason": auto.reason });
        return super::print(&format!("{found}\n"));
    }
    let mut text = String::new();
    for device in &found {
        let mark = if device.name == auto.name { "*" } else { " " };
        text.push_str(&format!("{mark} {:<10} {}", device.name, device.description));
        if device.software {
            text.push_str("  (software: taken only when asked for by name)");
        }
        if let Some(problem) = &device.problem {
            text.push_str(&format!("  (cannot be used: {problem})"));
        }
        text.push('\n');
    }
    text.push_str(&format!("\n--device auto takes {auto}\n"));
    for (feature, built) in [
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
    ] {
        if !built {
            text.push_str(&format!(
                "this binary was built without {feature}: `cargo build --release --features {feature}` adds it\n"
            ));
        }
    }
    super::print(&text)
}
