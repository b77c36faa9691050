//! Against a server on the loopback interface; nothing is fetched from elsewhere.

use super::*;
use miette::Diagnostic;
use std::net::TcpListener;
use std::thread::JoinHandle;

/// Answers one request with these bytes, then closes. Returns the address and what was asked.
fn serve(answer: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/models/net-x.pth", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            request.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, thread)
}

fn response(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

const BODY: &[u8] = b"weights";

fn published(url: String, sha256: &'static str, limit: u64) -> Published {
    Published {
        name: "test/net",
        url: url.leak(),
        sha256,
        limit,
        licence: "none",
    }
}

fn cache(folder: &Path) -> Cache {
    Cache {
        folder: folder.join("cache"),
        offline: false,
    }
}

/// Fetches past any proxy that the environment names.
fn fetch(
    cache: &Cache,
    published: &Published,
    progress: impl FnMut(Progress),
) -> Result<PathBuf, WeightsError> {
    cache.fetch_by(&agent(true), published, progress)
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("cache")).map_or(0, Iterator::count)
}

fn hash() -> &'static str {
    hex(&Sha256::digest(BODY))[..8].to_owned().leak()
}

#[test]
fn hashes_are_sha_256() {
    // FIPS 180-2's first example.
    assert_eq!(hex(&Sha256::digest(b"abc"))[..16], *"ba7816bf8f01cfea");
}

#[test]
fn a_file_is_fetched_once_and_then_found() {
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(response("200 OK", BODY.len(), BODY));
    let published = published(url, hash(), 100);
    let mut seen = Vec::new();
    let path = fetch(&cache(folder.path()), &published, |p| {
        seen.push((p.done, p.total))
    })
    .unwrap();
    assert!(server.join().unwrap().starts_with("GET /models/net-x.pth"));
    assert_eq!(path, folder.path().join("cache").join("net-x.pth"));
    assert_eq!(std::fs::read(&path).unwrap(), BODY);
    assert_eq!(seen.last(), Some(&(7, Some(7))));
    // The server is gone: the second time comes from the cache, even offline.
    let offline = Cache {
        offline: true,
        ..cache(folder.path())
    };
    assert_eq!(
        fetch(&offline, &published, |_| panic!("no download")).unwrap(),
        path
    );
    // What was damaged there is not used.
    std::fs::write(&path, b"weighty").unwrap();
    let error = fetch(&offline, &published, |_| {}).unwrap_err();
    assert!(matches!(error, WeightsError::Hash { .. }), "{error}");
    assert!(error.to_string().contains("net-x.pth"), "{error}");
}

fn refused(answer: Vec<u8>, hash: &'static str, limit: u64) -> WeightsError {
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(answer);
    let error = fetch(&cache(folder.path()), &published(url, hash, limit), |_| {}).unwrap_err();
    server.join().unwrap();
    assert_eq!(files(folder.path()), 0, "nothing stays of what was refused");
    error
}

#[test]
fn what_is_not_the_published_file_is_refused() {
    let error = refused(response("200 OK", 7, BODY), "00000000", 100);
    assert!(matches!(error, WeightsError::Hash { .. }), "{error}");
    let error = refused(response("200 OK", 20, BODY), hash(), 100);
    assert!(
        matches!(&error, WeightsError::Fetch { cause, .. } if cause.contains("7")),
        "{error}"
    );
    let error = refused(response("404 Not Found", 0, b""), hash(), 100);
    assert!(
        matches!(&error, WeightsError::Fetch { cause, .. } if cause.contains("404")),
        "{error}"
    );
    let error = refused(response("200 OK", 7, BODY), hash(), 5);
    assert!(
        matches!(
            error,
            WeightsError::TooLarge {
                size: 7,
                limit: 5,
                ..
            }
        ),
        "{error}"
    );
    // Without a stated length the limit holds all the same.
    let endless = [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(),
        &[b'x'; 5000],
    ]
    .concat();
    let error = refused(endless, hash(), 64);
    assert!(
        matches!(error, WeightsError::TooLarge { size: 65, .. }),
        "{error}"
    );
}

#[test]
fn an_unreachable_server_and_being_offline_name_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(Vec::new());
    let gone = published(url, hash(), 100);
    let error = fetch(&cache(folder.path()), &gone, |_| {}).unwrap_err();
    server.join().unwrap();
    assert!(matches!(error, WeightsError::Fetch { .. }), "{error}");
    let offline = Cache {
        offline: true,
        ..cache(folder.path())
    };
    for error in [error, fetch(&offline, &gone, |_| {}).unwrap_err()] {
        let text = format!("{error} {}", error.help().unwrap());
        for part in [gone.url, "cache", "net-x.pth", "path of the file"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn names_are_unique_and_their_files_carry_their_hash() {
    for (i, published) in PUBLISHED.iter().enumerate() {
        assert!(published.url.starts_with("https://"));
        assert_eq!(published.file().rsplit(['-', '.']).nth(1), Some(published.sha256));
        assert!(
            PUBLISHED[..i]
                .iter()
                .all(|other| other.name != published.name && other.file() != published.file())
        );
    }
    assert_eq!(
        find("torchvision/resnet50-v1").unwrap().file(),
        "resnet50-0676ba61.pth"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let error = resolve("torchvision/resnet50", |_| {}).unwrap_err();
    assert!(
        error
            .help()
            .unwrap()
            .to_string()
            .contains("torchvision/resnet50-v")
    );
    let error = resolve("/nowhere/at/all", |_| {}).unwrap_err();
    assert!(error.help().unwrap().to_string().contains("ibn/resnet50_ibn_a"));
    let here = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(
        resolve(here.path().to_str().unwrap(), |_| {}).unwrap(),
        here.path()
    );
}
