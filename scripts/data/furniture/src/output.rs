//! The files of a rendition: table, attributions, images; as one tar or as a folder.

use crate::catalogue::Product;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One image and its row.
pub struct Row {
    /// Index of the product.
    pub product: usize,
    pub id: String,
    pub jpeg: Vec<u8>,
    pub train: bool,
    pub street: bool,
    pub azimuth: f32,
    pub elevation: f32,
}

impl Row {
    pub fn is_query(&self) -> bool {
        !self.train && self.street
    }

    pub fn is_gallery(&self) -> bool {
        !self.train && !self.street
    }
}

/// The table, in the columns of the native form and five of the catalogue's own.
pub fn table(products: &[Product], rows: &[Row]) -> String {
    let mut csv = String::from(
        "id,image,text,label,category,split,is_query,is_gallery,camera,domain,name,creator,licence,azimuth,elevation\n",
    );
    for row in rows {
        let p = &products[row.product];
        let text = std::iter::once(&p.name)
            .chain(&p.tags)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let split = if row.train { "train" } else { "test" };
        let domain = if row.street { "street" } else { "studio" };
        let (id, category, name, creator) =
            (&row.id, quoted(&p.category), quoted(&p.name), quoted(&p.creator));
        let (query, gallery) = (row.is_query(), row.is_gallery());
        csv += &format!(
            "{id},images/{id}.jpg,{},{},{category},{split},{query},{gallery},,{domain},{name},{creator},{},{:.1},{:.1}\n",
            quoted(&text),
            p.label,
            p.licence,
            row.azimuth,
            row.elevation
        );
    }
    csv
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Who made what, and under which licence.
pub fn attribution(products: &[Product], backgrounds: &[&Product], size: usize) -> String {
    let mut text = format!(
        "# Attribution\n\n\
         The images in this archive show 3D models of the furniture libraries of Sweet Home 3D\n\
         (<https://www.sweethome3d.com>, version 1.8, from Debian's package sweethome3d-furniture 1.8-1;\n\
         source: <https://www.sweethome3d.com/importModels.jsp>). The models were converted to OBJ by\n\
         Emmanuel Puybaret / eTeks.\n\n\
         **Changes:** each model was rendered from several sides to images of {size} × {size} pixels. In the images of the\n\
         domain `studio` it stands on white; in those of the domain `street` it was placed over pieces of texture\n\
         photos that other models of the same libraries bring along (listed at the end), in changed light.\n\
         The creators do not endorse this work or its use.\n\n\
         The licence of each image is that of its model (the texture photos are CC0):\n\n\
         - CC0-1.0: <https://creativecommons.org/publicdomain/zero/1.0/>\n\
         - CC-BY-3.0: <https://creativecommons.org/licenses/by/3.0/>\n\
         - CC-BY-3.0-US: <https://creativecommons.org/licenses/by/3.0/us/>\n\n\
         ## Libraries\n\n"
    );
    let mut libraries: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for p in products {
        *libraries
            .entry(&p.library)
            .or_default()
            .entry(p.licence)
            .or_default() += 1;
    }
    for (library, licences) in &libraries {
        let holder = match *library {
            "Scopia" => {
                "© 2010-2020 Scopia Visual Interfaces Systems, s.l. <http://www.scopia.es> and Emmanuel Puybaret / eTeks"
            }
            "KatorLegaz" => "© 2003-2008 Andrew Kator & Jennifer Legaz",
            "Reallusion" => "© 2008-2016 Reallusion <http://www.reallusion.com>",
            _ => "various authors of <https://www.blendswap.com>, collected by Emmanuel Puybaret / eTeks",
        };
        let counts: Vec<String> = licences.iter().map(|(l, n)| format!("{n} under {l}")).collect();
        text += &format!("- {library}: {holder}; products: {}\n", counts.join(", "));
    }
    let creators: BTreeSet<&str> = products
        .iter()
        .chain(backgrounds.iter().copied())
        .map(|p| p.creator.as_str())
        .collect();
    text += &format!(
        "\n## Creators\n\n{}\n",
        creators.into_iter().collect::<Vec<_>>().join("; ")
    );
    text += "\n## Products\n\nlabel: name, creator, licence\n\n";
    for p in products {
        text += &format!("- {}: {}, {}, {}\n", p.label, p.name, p.creator, p.licence);
    }
    text += "\n## Texture photos behind the street views\n\nTaken from the models of:\n\n";
    for p in backgrounds {
        text += &format!("- {}: {}, {}, {}\n", p.label, p.name, p.creator, p.licence);
    }
    text
}

/// A tar archive (ustar) of regular files without owner or time, so that equal files give equal bytes.
pub fn tar(files: &[(String, &[u8])]) -> Result<Vec<u8>, String> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        if name.len() > 100 {
            return Err(format!("{name}: longer than the 100 bytes of a tar header"));
        }
        let mut header = [0u8; 512];
        let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
        put(0, name.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", bytes.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0");
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(*bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    Ok(archive)
}

/// Writes a file under another name first, so that a reader never sees half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: cannot be written: {e}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_needed() {
        assert_eq!(quoted("Bed"), "Bed");
        assert_eq!(quoted("Bed, \"wide\""), "\"Bed, \"\"wide\"\"\"");
    }

    #[test]
    fn tar_headers_add_up() {
        let archive = tar(&[("a/b.txt".into(), b"hello")]).unwrap();
        assert_eq!(archive.len(), 512 + 512 + 1024);
        assert_eq!(&archive[..7], b"a/b.txt");
        assert_eq!(&archive[124..136], b"00000000005\0");
        assert_eq!(&archive[512..517], b"hello");
        let mut header = archive[..512].to_vec();
        let stated = u32::from_str_radix(std::str::from_utf8(&header[148..154]).unwrap(), 8).unwrap();
        header[148..156].fill(b' ');
        assert_eq!(stated, header.iter().map(|&b| u32::from(b)).sum::<u32>());
        assert!(tar(&[("x".repeat(101), b"")]).is_err());
    }
}
