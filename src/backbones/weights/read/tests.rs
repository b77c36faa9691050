//! Files of every kind that is read, whole and broken. PyTorch's containers are built here byte by byte.

use super::*;
use crate::backbones::weights::write;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A pickle of protocol 2, as `torch.save` makes them.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&length).op(text.as_bytes())
    }

    fn int(self, value: i32) -> Self {
        self.op(b"J").op(&value.to_le_bytes())
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    fn tuple(self, items: &[i32]) -> Self {
        items
            .iter()
            .fold(self.op(b"("), |pickle, item| pickle.int(*item))
            .op(b"t")
    }

    /// `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())`
    fn tensor(self, storage: &Storage, legacy: bool, offset: i32, shape: &[i32], strides: &[i32]) -> Self {
        let pickle = self
            .global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", storage.kind)
            .text(storage.key)
            .text("cpu")
            .int(storage.count);
        // The legacy container's ids name a view, too, which is None.
        let pickle = if legacy { pickle.op(b"N") } else { pickle };
        pickle
            .op(b"tQ")
            .int(offset)
            .tuple(shape)
            .tuple(strides)
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    fn end(self) -> Vec<u8> {
        self.op(b".").0
    }
}

struct Storage {
    key: &'static str,
    kind: &'static str,
    count: i32,
    bytes: Vec<u8>,
}

fn storages() -> [Storage; 2] {
    [
        Storage {
            key: "0",
            kind: "FloatStorage",
            count: 6,
            bytes: (1..7).flat_map(|v| (v as f32).to_le_bytes()).collect(),
        },
        Storage {
            key: "1",
            kind: "LongStorage",
            count: 1,
            bytes: 7i64.to_le_bytes().to_vec(),
        },
    ]
}

/// `{weight: [2, 3], turned: its transpose as a view, count: 7}`, in front of each name `prefix`.
fn state(pickle: Pickle, prefix: &str, legacy: bool) -> Pickle {
    let [floats, count] = storages();
    pickle
        .op(b"}(")
        .text(&format!("{prefix}weight"))
        .tensor(&floats, legacy, 0, &[2, 3], &[3, 1])
        .text(&format!("{prefix}turned"))
        .tensor(&floats, legacy, 0, &[3, 2], &[1, 3])
        .text(&format!("{prefix}tail"))
        .tensor(&floats, legacy, 4, &[2], &[1])
        .text(&format!("{prefix}count"))
        .tensor(&count, legacy, 0, &[], &[])
        .op(b"u")
}

fn nested(key: &str, prefix: &str, legacy: bool) -> Vec<u8> {
    let pickle = Pickle::new().op(b"}(").text("epoch").int(3).text(key);
    let pickle = state(pickle, prefix, legacy);
    // Another section with a tensor of its own, as optimisers have.
    let [floats, _] = storages();
    pickle
        .text("optimizer")
        .op(b"}(")
        .text("step")
        .tensor(&floats, legacy, 0, &[1], &[1])
        .op(b"uu")
        .end()
}

/// The container of PyTorch 1.6 and later.
fn zip(pickle: &[u8]) -> Vec<u8> {
    let mut archive = Zip::default();
    archive.add("net/data.pkl", pickle);
    for storage in storages() {
        archive.add(&format!("net/data/{}", storage.key), &storage.bytes);
    }
    archive.add("net/version", b"3\n");
    archive.finish()
}

/// An archive of stored entries.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, data: &[u8]) {
        let offset = self.bytes.len() as u32;
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        common.extend(crc32(data).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(data);
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&common);
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// The container before PyTorch 1.6.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = Pickle::new()
        .op(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
        .end();
    bytes.extend(Pickle::new().op(b"M\xe9\x03").end());
    let info = Pickle::new()
        .op(b"}(")
        .text("little_endian")
        .op(b"\x88")
        .text("protocol_version")
        .op(b"M\xe9\x03");
    bytes.extend(info.op(b"u").end());
    bytes.extend(pickle);
    bytes.extend(Pickle::new().op(b"](").text("0").text("1").op(b"e").end());
    for storage in storages() {
        bytes.extend(i64::from(storage.count).to_le_bytes());
        bytes.extend(storage.bytes);
    }
    bytes
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    // Some file systems flush a file that is written over: thousands of these would take a while.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn expected() -> Tensors {
    let floats = |values: &[f32], shape: &[usize]| TensorData::new(values.to_vec(), shape.to_vec());
    Tensors::from([
        (
            "weight".to_owned(),
            floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]),
        ),
        (
            "turned".to_owned(),
            floats(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &[3, 2]),
        ),
        ("tail".to_owned(), floats(&[5.0, 6.0], &[2])),
        ("count".to_owned(), TensorData::new(vec![7i64], [0usize; 0])),
    ])
}

#[test]
fn both_containers_with_views_and_nests_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for old in [false, true] {
        let wrap = |pickle: Vec<u8>| if old { legacy(&pickle) } else { zip(&pickle) };
        for (pickle, what) in [
            (state(Pickle::new(), "", old).end(), "flat"),
            (state(Pickle::new(), "module.", old).end(), "parallel"),
            (nested("state_dict", "", old), "nested"),
            (nested("model", "module.", old), "nested and parallel"),
        ] {
            let path = file(&folder, "a.pth", &wrap(pickle));
            assert_eq!(read(&path).unwrap(), expected(), "{what}, legacy: {old}");
        }
    }
    // A flat name that merely begins like a nest is a name.
    let path = file(
        &folder,
        "b.pth",
        &zip(&state(Pickle::new(), "model.", false).end()),
    );
    assert!(read(&path).unwrap().contains_key("model.weight"));
}

#[test]
fn safetensors_and_checkpoint_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = expected();
    let half = TensorData::new(vec![0.5f32, -2.0], [2]);
    tensors.insert("half".into(), half.clone().try_cast(DType::F16).unwrap());
    tensors.insert("brain".into(), half.clone().try_cast(DType::BF16).unwrap());
    tensors.insert("double".into(), half.try_cast(DType::F64).unwrap());
    let path = folder.path().join("model.safetensors");
    write(&path, &tensors, &BTreeMap::new()).unwrap();
    assert_eq!(read(&path).unwrap(), tensors);
    assert_eq!(read(folder.path()).unwrap(), tensors);
}

fn refused(path: &Path) -> String {
    read(path).expect_err("refused").to_string()
}

#[test]
fn a_file_cut_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let safetensors = folder.path().join("whole.safetensors");
    write(&safetensors, &expected(), &BTreeMap::new()).unwrap();
    let files = [
        zip(&nested("state_dict", "", false)),
        legacy(&nested("state_dict", "", true)),
        std::fs::read(&safetensors).unwrap(),
    ];
    for bytes in files {
        for length in 0..bytes.len() {
            let path = file(&folder, "cut.pth", &bytes[..length]);
            let message = refused(&path);
            assert!(
                message.contains("cut.pth"),
                "{length} of {}: {message}",
                bytes.len()
            );
        }
    }
}

#[test]
fn garbage_is_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = crate::random::stream(1, "garbage of tests", &[]);
    let whole = [
        zip(&nested("model", "", false)),
        legacy(&nested("model", "", true)),
    ];
    for round in 0..400 {
        let mut bytes = whole[round % 2].clone();
        for _ in 0..3 {
            let at = stream.below(bytes.len());
            bytes[at] = stream.bits() as u8;
        }
        // Some changes leave a readable file; none may do anything but return.
        let _ = read(&file(&folder, "changed.pth", &bytes));
        let noise: Vec<u8> = (0..stream.below(300)).map(|_| stream.bits() as u8).collect();
        assert!(refused(&file(&folder, "noise.pth", &noise)).contains("noise.pth"));
    }
    for text in [
        "",
        "not weights at all",
        "<html>404</html>",
        "{\"a\": 1}",
        "PK\x03\x04",
    ] {
        assert!(refused(&file(&folder, "page.pth", text.as_bytes())).contains("page.pth"));
    }
    assert!(refused(&folder.path().join("absent.pth")).contains("absent.pth"));
}

#[test]
fn claims_beyond_the_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [floats, _] = storages();
    // An expanded view: one value, claimed to be 10^9 · 4 · 8 bytes.
    let views = (0..3).fold(Pickle::new().op(b"}("), |pickle, i| {
        pickle
            .text(&format!("w{i}"))
            .tensor(&floats, false, 0, &[1_000_000_000], &[0])
    });
    let message = refused(&file(&folder, "huge.pth", &zip(&views.op(b"u").end())));
    assert!(
        message.contains("huge.pth") && message.contains("12000000000"),
        "{message}"
    );
    let header = br#"{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    assert!(refused(&file(&folder, "huge.safetensors", &bytes)).contains("huge.safetensors"));
}

#[test]
fn code_in_a_pickle_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("ran");
    let command = format!("touch {}", marker.display());
    let pickle = Pickle::new()
        .global("os", "system")
        .op(b"(")
        .text(&command)
        .op(b"tR")
        .end();
    let _ = read(&file(&folder, "evil.pth", &zip(&pickle)));
    let _ = read(&file(&folder, "evil.pkl", &pickle));
    assert!(!marker.exists());
}

#[test]
fn the_checksum_of_these_archives_is_zips() {
    // The value that every implementation is tested with.
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
