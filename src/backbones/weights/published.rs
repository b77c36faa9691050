//! Published weights by name, kept in a cache and checked against the hash that their file name carries.
//!
//! The cache is `$TAILOR_CACHE`, else `tailor/weights` in the user's cache folder. What is there is used (after its hash is
//! checked); what is not is fetched, unless `TAILOR_OFFLINE` is set to something other than `0`: then the error says where to
//! put the file by hand.

use super::WeightsError;
use crate::files::{FileError, create_folder, write_whole};
use sha2::{Digest, Sha256};
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;

/// One published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What recipes call it.
    pub name: &'static str,
    /// Where it is published.
    pub url: &'static str,
    /// The first hexadecimal digits of its SHA-256.
    pub sha256: &'static str,
    /// Bytes that are accepted at most.
    pub limit: u64,
    /// The terms it comes under.
    pub licence: &'static str,
}

impl Published {
    /// The file's name, in the address and in the cache.
    pub fn file(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }
}

const TORCHVISION: &str =
    "BSD-3-Clause (torchvision); trained on ImageNet-1k, whose images are for non-commercial research";
const IBN_NET: &str = "MIT (IBN-Net); trained on ImageNet-1k, whose images are for non-commercial research";

const fn torchvision(name: &'static str, url: &'static str, sha256: &'static str) -> Published {
    Published {
        name,
        url,
        sha256,
        limit: 400 << 20,
        licence: TORCHVISION,
    }
}

const fn ibn(name: &'static str, url: &'static str, sha256: &'static str) -> Published {
    Published {
        name,
        url,
        sha256,
        limit: 400 << 20,
        licence: IBN_NET,
    }
}

/// Every name that [`resolve`] knows. `v1` are the weights of the original schedule, `v2` those of torchvision's newer one.
pub const PUBLISHED: &[Published] = &[
    torchvision(
        "torchvision/resnet18-v1",
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "f37072fd",
    ),
    torchvision(
        "torchvision/resnet34-v1",
        "https://download.pytorch.org/models/resnet34-b627a593.pth",
        "b627a593",
    ),
    torchvision(
        "torchvision/resnet50-v1",
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        "0676ba61",
    ),
    torchvision(
        "torchvision/resnet50-v2",
        "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        "11ad3fa6",
    ),
    torchvision(
        "torchvision/resnet101-v1",
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        "63fe2227",
    ),
    torchvision(
        "torchvision/resnet101-v2",
        "https://download.pytorch.org/models/resnet101-cd907fc2.pth",
        "cd907fc2",
    ),
    torchvision(
        "torchvision/mobilenet_v2-v1",
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
        "b0353104",
    ),
    torchvision(
        "torchvision/mobilenet_v2-v2",
        "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth",
        "7ebf99e0",
    ),
    torchvision(
        "torchvision/efficientnet_b0-v1",
        "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
        "7f5810bc",
    ),
    ibn(
        "ibn/resnet18_ibn_a",
        "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet18_ibn_a-2f571257.pth",
        "2f571257",
    ),
    ibn(
        "ibn/resnet34_ibn_a",
        "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet34_ibn_a-94bc1577.pth",
        "94bc1577",
    ),
    ibn(
        "ibn/resnet50_ibn_a",
        "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet50_ibn_a-d9d0bb7b.pth",
        "d9d0bb7b",
    ),
    ibn(
        "ibn/resnet101_ibn_a",
        "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet101_ibn_a-59ea0ac6.pth",
        "59ea0ac6",
    ),
];

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The address.
    pub url: &'a str,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all, if the server says so.
    pub total: Option<u64>,
}

/// Where published weights are kept, and whether they may be fetched.
#[derive(Clone, Debug)]
pub struct Cache {
    /// The folder.
    pub folder: PathBuf,
    /// Whether fetching is forbidden.
    pub offline: bool,
}

impl Cache {
    /// As the environment says: `TAILOR_CACHE` and `TAILOR_OFFLINE`.
    pub fn from_env() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let folder =
            set("TAILOR_CACHE").map_or_else(|| user_cache().join("tailor").join("weights"), PathBuf::from);
        Self {
            folder,
            offline: set("TAILOR_OFFLINE").is_some_and(|value| value != "0"),
        }
    }

    /// Where the file lies or would lie.
    pub fn path(&self, published: &Published) -> PathBuf {
        self.folder.join(published.file())
    }

    /// The published file's path in the cache, fetched if it is not there. Its hash is checked either way.
    pub fn fetch(
        &self,
        published: &Published,
        progress: impl FnMut(Progress),
    ) -> Result<PathBuf, WeightsError> {
        self.fetch_by(&agent(false), published, progress)
    }

    fn fetch_by(
        &self,
        agent: &Agent,
        published: &Published,
        progress: impl FnMut(Progress),
    ) -> Result<PathBuf, WeightsError> {
        let path = self.path(published);
        if path.exists() {
            let found = hash_file(&path)?;
            check_hash(published, &found, &path.display().to_string(), &path)?;
            return Ok(path);
        }
        if self.offline {
            return Err(WeightsError::Offline {
                url: published.url.to_owned(),
                path,
            });
        }
        create_folder(&self.folder)?;
        download(agent, published, &path, progress)?;
        Ok(path)
    }
}

/// With a limit on a server's silence, none on the whole, which a slow line would break. `direct` passes by any proxy.
fn agent(direct: bool) -> Agent {
    let config = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)));
    let config = if direct { config.proxy(None) } else { config };
    config.build().new_agent()
}

/// The user's cache folder, by the platform's custom.
fn user_cache() -> PathBuf {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || env::home_dir().unwrap_or_else(env::temp_dir);
    if cfg!(target_os = "windows") {
        set("LOCALAPPDATA").unwrap_or_else(home)
    } else if cfg!(target_os = "macos") {
        home().join("Library").join("Caches")
    } else {
        set("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home().join(".cache"))
    }
}

/// Where features that are computed once are kept unless a recipe says otherwise: beside the weights.
pub fn features_folder() -> PathBuf {
    match env::var_os("TAILOR_CACHE").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("features"),
        None => user_cache().join("tailor").join("features"),
    }
}

/// The entry of that name.
pub fn find(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|published| published.name == name)
}

/// The path of weights given by path or by published name: what exists is taken as a path, the rest must be a name.
pub fn resolve(name_or_path: &str, progress: impl FnMut(Progress)) -> Result<PathBuf, WeightsError> {
    let path = Path::new(name_or_path);
    if path.exists() {
        return Ok(path.to_owned());
    }
    match find(name_or_path) {
        Some(published) => Cache::from_env().fetch(published, progress),
        None => Err(unknown(name_or_path)),
    }
}

fn unknown(name: &str) -> WeightsError {
    let near = PUBLISHED
        .iter()
        .map(|published| (strsim::jaro_winkler(published.name, name), published.name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let names = || {
        PUBLISHED
            .iter()
            .map(|published| published.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let remedy = match near {
        Some((_, near)) => format!("did you mean `{near}`? The path of a file works, too"),
        None => format!("give the path of a file, or one of {}", names()),
    };
    WeightsError::Unknown {
        name: name.to_owned(),
        remedy,
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_file(path: &Path) -> Result<String, WeightsError> {
    let fail = |e| FileError::new("read", path, e);
    let mut file = File::open(path).map_err(fail)?;
    let mut hash = Sha256::new();
    copy(&mut file, |bytes| {
        hash.update(bytes);
        Ok(())
    })
    .map_err(fail)?;
    Ok(hex(&hash.finalize()))
}

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to(&buffer[..count])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn check_hash(published: &Published, found: &str, what: &str, path: &Path) -> Result<(), WeightsError> {
    if found.starts_with(published.sha256) {
        return Ok(());
    }
    Err(WeightsError::Hash {
        what: what.to_owned(),
        path: path.to_owned(),
        found: found.to_owned(),
        expected: published.sha256.to_owned(),
    })
}

/// Fetches into a scratch file beside `path`, which takes the name only once it is whole and its hash is right.
fn download(
    agent: &Agent,
    published: &Published,
    path: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<(), WeightsError> {
    let url = published.url;
    let fail = |cause: String| WeightsError::Fetch {
        url: url.to_owned(),
        path: path.to_owned(),
        cause,
    };
    let response = agent.get(url).call().map_err(|e| fail(e.to_string()))?;
    let body = response.into_body();
    let total = body.content_length();
    if total.is_some_and(|total| total > published.limit) {
        let size = total.unwrap_or_default();
        return Err(WeightsError::TooLarge {
            path: path.to_owned(),
            size,
            limit: published.limit,
        });
    }
    let mut reader = body.into_reader().take(published.limit + 1);
    // What the network did must not be blamed on the disk: an error that ends the writing is kept here.
    let mut refusal = None;
    let written = write_whole(path, |file| {
        let (mut done, mut hash) = (0u64, Sha256::new());
        let mut disk = None;
        let copied = copy(&mut reader, |bytes| {
            done += bytes.len() as u64;
            hash.update(bytes);
            progress(Progress { url, done, total });
            file.write_all(bytes)
                .inspect_err(|e| disk = Some(io::Error::from(e.kind())))
        });
        if let Some(error) = disk {
            return Err(error);
        }
        refusal = match copied {
            Err(e) => Some(fail(format!("it broke off after {done} bytes: {e}"))),
            Ok(()) if done > published.limit => Some(WeightsError::TooLarge {
                path: path.to_owned(),
                size: done,
                limit: published.limit,
            }),
            Ok(()) if total.is_some_and(|total| total != done) => Some(fail(format!(
                "it ended after {done} of {} bytes",
                total.unwrap_or_default()
            ))),
            Ok(()) => check_hash(published, &hex(&hash.finalize()), url, path).err(),
        };
        match refusal {
            Some(_) => Err(io::Error::other("not accepted")),
            None => Ok(()),
        }
    });
    match refusal {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

#[cfg(test)]
mod tests;
