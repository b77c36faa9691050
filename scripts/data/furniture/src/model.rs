//! Models: Wavefront OBJ and MTL, and the textures they name.

use crate::catalogue::{Library, Product, latin1};
use crate::texture::Texture;
use std::collections::HashMap;

/// How a surface looks.
pub struct Material {
    pub colour: [f32; 3],
    pub alpha: f32,
    /// Index in the model's textures.
    pub texture: Option<usize>,
}

/// A triangle: indices of points and of texture coordinates, and of its material.
pub struct Triangle {
    pub points: [u32; 3],
    pub uvs: [u32; 3],
    pub material: u32,
}

/// A product's surface, in centimetres about the centre of its box, y up, front towards +z.
pub struct Model {
    pub points: Vec<[f32; 3]>,
    pub uvs: Vec<[f32; 2]>,
    pub triangles: Vec<Triangle>,
    pub materials: Vec<Material>,
    pub textures: Vec<Texture>,
    /// What was odd but could be lived with.
    pub oddities: Vec<String>,
}

/// Index that stands for "no texture coordinate": the first one, always (0, 0).
const NO_UV: u32 = 0;

impl Model {
    /// Reads a product's model, turns it by its rotation and stretches it to its size, as the catalogue asks.
    pub fn load(library: &mut Library, product: &Product) -> Result<Self, String> {
        let bytes = library.read(&product.model)?;
        let folder = product
            .model
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        let mut model = Self::parse(&bytes, &mut |name| {
            // Some materials keep the path of the machine that they were made on.
            let bare = name.rsplit(['/', '\\']).next().unwrap_or(name);
            library
                .read(&format!("{folder}/{name}"))
                .or_else(|e| library.read(&format!("{folder}/{bare}")).map_err(|_| e))
        })?;
        model.place(&product.rotation, &product.size)?;
        Ok(model)
    }

    /// Reads OBJ text; `file` gives the material libraries and textures that it names.
    pub fn parse(
        bytes: &[u8],
        file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, String> {
        let mut model = Self {
            points: Vec::new(),
            uvs: vec![[0.0; 2]],
            triangles: Vec::new(),
            materials: vec![Material {
                colour: [0.8; 3],
                alpha: 1.0,
                texture: None,
            }],
            textures: Vec::new(),
            oddities: Vec::new(),
        };
        let mut names: HashMap<String, u32> = HashMap::new();
        let (mut material, mut corners) = (0, Vec::new());
        for (n, line) in bytes.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            let (keyword, rest) = line.split_at(
                line.iter()
                    .position(u8::is_ascii_whitespace)
                    .unwrap_or(line.len()),
            );
            let wrong = || {
                format!(
                    "line {}: cannot read {:?}",
                    n + 1,
                    latin1(&line[..line.len().min(60)])
                )
            };
            match keyword {
                b"v" => model.points.push(numbers(rest).ok_or_else(wrong)?),
                b"vt" => {
                    let [u] = numbers(rest).ok_or_else(wrong)?;
                    let v = numbers::<2>(rest).map_or(0.0, |uv| uv[1]);
                    model.uvs.push([u, v]);
                }
                b"f" => {
                    corners.clear();
                    for corner in rest.split(u8::is_ascii_whitespace).filter(|c| !c.is_empty()) {
                        corners.push(model.corner(corner).ok_or_else(wrong)?);
                    }
                    model.face(&corners, material);
                }
                b"usemtl" => {
                    let name = latin1(rest.trim_ascii());
                    material = names.get(&name).copied().unwrap_or(0);
                    if material == 0 {
                        model.oddities.push(format!("unknown material {name}"));
                    }
                }
                b"mtllib" => {
                    let name = latin1(rest.trim_ascii());
                    match file(&name) {
                        Ok(bytes) => model.materials(&bytes, &mut names, file),
                        Err(e) => model.oddities.push(e),
                    }
                }
                _ => {}
            }
        }
        if model.triangles.is_empty() {
            return Err("no faces".into());
        }
        Ok(model)
    }

    /// `point/uv/normal`, each counted from 1, or from the end if negative.
    fn corner(&self, corner: &[u8]) -> Option<(u32, u32)> {
        let mut parts = corner
            .split(|&b| b == b'/')
            .map(|p| std::str::from_utf8(p).unwrap_or("?"));
        let index = |text: &str, count: usize, first: usize| {
            let i: isize = text.parse().ok()?;
            let i = if i < 0 {
                count as isize + i
            } else {
                i - 1 + first as isize
            };
            (i >= first as isize && i < count as isize).then_some(i as u32)
        };
        let point = index(parts.next()?, self.points.len(), 0)?;
        // A wrong texture coordinate spoils a pattern, not a shape.
        let uv = parts
            .next()
            .and_then(|t| index(t, self.uvs.len(), 1))
            .unwrap_or(NO_UV);
        Some((point, uv))
    }

    /// Cuts a polygon into triangles: fans for what is convex, ears for the rest.
    fn face(&mut self, corners: &[(u32, u32)], material: u32) {
        let at = |i: usize| self.points[corners[i].0 as usize];
        let mut rest: Vec<usize> = (0..corners.len()).collect();
        if rest.len() < 3 {
            return;
        }
        // Newell's normal holds for concave polygons too.
        let mut normal = [0.0f32; 3];
        for i in 0..corners.len() {
            let (a, b) = (at(i), at((i + 1) % corners.len()));
            for c in 0..3 {
                normal[c] += (a[(c + 1) % 3] - b[(c + 1) % 3]) * (a[(c + 2) % 3] + b[(c + 2) % 3]);
            }
        }
        let area = |i: usize, j: usize, k: usize| {
            let (a, b, c) = (at(i), at(j), at(k));
            dot(cross(sub(b, a), sub(c, a)), normal)
        };
        while rest.len() > 3 {
            let n = rest.len();
            let ear = (0..n).find(|&e| {
                let (i, j, k) = (rest[(e + n - 1) % n], rest[e], rest[(e + 1) % n]);
                let inside = |&&p: &&usize| {
                    ![i, j, k].contains(&p)
                        && area(i, j, p) > 0.0
                        && area(j, k, p) > 0.0
                        && area(k, i, p) > 0.0
                };
                area(i, j, k) > 0.0 && !rest.iter().any(|p| inside(&p))
            });
            // A polygon without an ear is folded or a line: any cut is as good as another.
            let e = ear.unwrap_or(1);
            let triple = [rest[(e + n - 1) % n], rest[e], rest[(e + 1) % n]];
            self.triangles
                .push(triangle(triple.map(|i| corners[i]), material));
            rest.remove(e);
        }
        self.triangles.push(triangle(
            [rest[0], rest[1], rest[2]].map(|i| corners[i]),
            material,
        ));
    }

    fn materials(
        &mut self,
        bytes: &[u8],
        names: &mut HashMap<String, u32>,
        file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) {
        let mut textures: HashMap<String, usize> = HashMap::new();
        let mut alpha_maps: Vec<(usize, String)> = Vec::new();
        for line in bytes.split(|&b| b == b'\n' || b == b'\r') {
            let line = line.trim_ascii();
            let (keyword, rest) = line.split_at(
                line.iter()
                    .position(u8::is_ascii_whitespace)
                    .unwrap_or(line.len()),
            );
            let last = self.materials.len() - 1;
            match keyword {
                b"newmtl" => {
                    names.insert(latin1(rest.trim_ascii()), self.materials.len() as u32);
                    self.materials.push(Material {
                        colour: [0.8; 3],
                        alpha: 1.0,
                        texture: None,
                    });
                }
                b"Kd" if last > 0 => {
                    if let Some(colour) = numbers::<3>(rest) {
                        self.materials[last].colour = colour.map(|c| c.clamp(0.0, 1.0));
                    }
                }
                b"d" if last > 0 => {
                    if let Some([d]) = numbers(rest) {
                        self.materials[last].alpha = d.clamp(0.0, 1.0);
                    }
                }
                b"Tr" if last > 0 => {
                    if let Some([tr]) = numbers(rest) {
                        self.materials[last].alpha = 1.0 - tr.clamp(0.0, 1.0);
                    }
                }
                b"map_Kd" if last > 0 => {
                    let name = latin1(rest.trim_ascii());
                    if let Some(&index) = textures.get(&name) {
                        self.materials[last].texture = Some(index);
                        continue;
                    }
                    // Options such as `-s 1 1 1` may come first; the file is then the last word.
                    let found = file(&name).or_else(|e| {
                        name.rsplit(' ')
                            .next()
                            .filter(|w| *w != name)
                            .map_or(Err(e), &mut *file)
                    });
                    match found.and_then(|b| Texture::decode(&b).map_err(|e| format!("texture {name}: {e}")))
                    {
                        Ok(texture) => {
                            textures.insert(name, self.textures.len());
                            self.materials[last].texture = Some(self.textures.len());
                            self.textures.push(texture);
                        }
                        Err(e) => self.oddities.push(e),
                    }
                }
                b"map_d" if last > 0 => alpha_maps.push((last, latin1(rest.trim_ascii()))),
                _ => {}
            }
        }
        // An alpha map that is not the colour map's own alpha would need a second texture: none of the models does.
        for (material, name) in alpha_maps {
            let own = self.materials[material]
                .texture
                .and_then(|t| textures.iter().find(|(_, i)| **i == t));
            if own.is_none_or(|(n, _)| *n != name) {
                self.oddities.push(format!("alpha map {name} ignored"));
            }
        }
        // The texture holds the whole colour, as in the program that the models are made for; exporters leave a grey
        // or the texture's own mean in Kd, which would darken it.
        for material in self.materials.iter_mut().filter(|m| m.texture.is_some()) {
            material.colour = [1.0; 3];
        }
    }

    /// Turns, centres and stretches the model to the product's box.
    fn place(&mut self, rotation: &[f32; 9], size: &[f32; 3]) -> Result<(), String> {
        for p in &mut self.points {
            *p = std::array::from_fn(|r| (0..3).map(|c| rotation[r * 3 + c] * p[c]).sum());
        }
        let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
        for t in &self.triangles {
            for p in t.points.map(|p| self.points[p as usize]) {
                for c in 0..3 {
                    low[c] = low[c].min(p[c]);
                    high[c] = high[c].max(p[c]);
                }
            }
        }
        if low.iter().chain(&high).any(|v| !v.is_finite()) {
            return Err("points that are not numbers".into());
        }
        let extent = sub(high, low);
        // An axis without extent keeps the scale of another, so that flat things stay flat.
        let usual = (0..3)
            .find(|&c| extent[c] > 0.0)
            .ok_or("all points are one point")?;
        let scale: [f32; 3] = std::array::from_fn(|c| {
            let from = if extent[c] > 1e-6 * extent[usual] {
                c
            } else {
                usual
            };
            let scale = size[from] / extent[from];
            if scale.is_finite() && scale > 0.0 {
                scale
            } else {
                1.0
            }
        });
        for p in &mut self.points {
            *p = std::array::from_fn(|c| (p[c] - (low[c] + high[c]) / 2.0) * scale[c]);
        }
        Ok(())
    }
}

fn triangle(corners: [(u32, u32); 3], material: u32) -> Triangle {
    Triangle {
        points: corners.map(|c| c.0),
        uvs: corners.map(|c| c.1),
        material,
    }
}

/// The first `N` numbers of a line.
fn numbers<const N: usize>(text: &[u8]) -> Option<[f32; N]> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let mut numbers = [0.0; N];
    for number in &mut numbers {
        *number = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    }
    Some(numbers)
}

pub fn sub(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| a[c] - b[c])
}

pub fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| a[(c + 1) % 3] * b[(c + 2) % 3] - a[(c + 2) % 3] * b[(c + 1) % 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Model, String> {
        Model::parse(text.as_bytes(), &mut |name| match name {
            "a.mtl" => Ok(b"newmtl red one\nKd 1 0 0\nd 0.5\nnewmtl tr\nTr 0.25\nmap_Kd none.png\n".to_vec()),
            _ => Err(format!("no file {name}")),
        })
    }

    fn area(model: &Model) -> f32 {
        let at = |i: u32| model.points[i as usize];
        let one = |t: &Triangle| {
            let n = cross(
                sub(at(t.points[1]), at(t.points[0])),
                sub(at(t.points[2]), at(t.points[0])),
            );
            dot(n, n).sqrt() / 2.0
        };
        model.triangles.iter().map(one).sum()
    }

    #[test]
    fn concave_polygons_and_negative_indices() {
        // An L of area 3: a fan from its first corner would cover more.
        let text =
            "v 1 1 0\nv 1 2 0\nv 0 2 0\nv 0 0 0\nv 2 0 0\nv 2 1 0\nvt 0 1\nf -6/-1 -5 -4 4 5//7 6/1/1\n";
        let model = parse(text).unwrap();
        assert_eq!(model.triangles.len(), 4);
        assert!((area(&model) - 3.0).abs() < 1e-5);
    }

    #[test]
    fn materials_and_what_is_missing() {
        let text =
            "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl red one\nf 1 2 3\nusemtl nowhere\nf 1 2 3\n";
        let model = parse(text).unwrap();
        assert_eq!(model.materials[1].colour, [1.0, 0.0, 0.0]);
        assert_eq!((model.materials[1].alpha, model.materials[2].alpha), (0.5, 0.75));
        assert_eq!(model.triangles[1].material, 0);
        assert_eq!(model.oddities.len(), 2); // the texture and the material
    }

    #[test]
    fn broken_files_are_errors_that_name_the_line() {
        assert!(parse("v 0 0\n").err().unwrap().contains("line 1"));
        assert!(parse("v 0 0 0\nf 1 2 9\n").err().unwrap().contains("line 2"));
        assert_eq!(parse("v 0 0 0\n").err().unwrap(), "no faces");
    }

    #[test]
    fn a_model_is_turned_and_stretched_to_its_box() {
        let mut model = parse("v 0 0 0\nv 2 0 0\nv 0 0 4\nf 1 2 3\n").unwrap();
        // x stays, y becomes z: the triangle that lay on the floor stands.
        model
            .place(
                &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0],
                &[10.0, 20.0, 5.0],
            )
            .unwrap();
        assert_eq!(model.points[1][..2], [5.0, -10.0]);
        assert_eq!(model.points[2][..2], [-5.0, 10.0]);
    }
}
