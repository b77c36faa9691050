//! The two kinds of photographs: a studio's white, and a street's clutter.

use crate::model::Model;
use crate::random::{Stream, sin_cos, stream};
use crate::render::{Layer, View, byte, render};
use crate::texture::Texture;

/// An image of a product before it is written.
pub struct Shot {
    pub rgb: Vec<u8>,
    pub azimuth: f32,
    pub elevation: f32,
    pub coverage: f32,
}

/// What every shot shares.
pub struct Setup<'a> {
    pub size: usize,
    pub seed: u64,
    pub orthographic: bool,
    pub backgrounds: &'a [Texture],
}

/// Images in which less or more than this is object are refused.
pub const COVERAGE: std::ops::RangeInclusive<f32> = 0.02..=0.98;
/// Tries for a view that is worth showing (a picture frame seen exactly from the side is not).
const TRIES: usize = 12;
/// A view that shows at least this much is taken at once.
const AMPLE: f32 = 0.10;

/// The angles from which an object is worth seeing: half the range of azimuths, and the elevations.
fn angles(size: &[f32; 3]) -> (f32, [f32; 2]) {
    let [width, height, depth] = *size;
    // What hangs flat on a wall has no back to show, and what lies flat is seen from above.
    let sweep = if depth < 0.3 * width.max(height) {
        65.0
    } else {
        180.0
    };
    if height < 0.2 * width.max(depth) {
        (180.0, [25.0, 40.0])
    } else {
        (sweep, [10.0, 40.0])
    }
}

/// The best of a few draws: the first ample one, or else the one that shows most.
fn best(mut draw: impl FnMut() -> Shot) -> Result<Shot, String> {
    let mut best: Option<Shot> = None;
    for _ in 0..TRIES {
        let shot = draw();
        let better = best.as_ref().is_none_or(|b| shot.coverage > b.coverage);
        if better {
            best = Some(shot);
        }
        if best.as_ref().is_some_and(|b| b.coverage >= AMPLE) {
            break;
        }
    }
    let shot = best.ok_or("no view was drawn")?;
    if !COVERAGE.contains(&shot.coverage) {
        let percent = shot.coverage * 100.0;
        return Err(format!(
            "{percent:.1} % of a view is object (2 to 98 % are allowed)"
        ));
    }
    Ok(shot)
}

/// The `n`th of `count` studio views: a white background, azimuths spread evenly with jitter.
pub fn studio(
    model: &Model,
    size: &[f32; 3],
    label: &str,
    n: usize,
    count: usize,
    setup: &Setup,
) -> Result<Shot, String> {
    let mut s = stream(setup.seed, &format!("studio {n}"), label);
    let (sweep, elevations) = angles(size);
    // One turn for all views of a product, so that they stay spread.
    let turn = stream(setup.seed, "studio turn", label).between(-0.15, 0.15);
    let step = 2.0 * sweep / count as f32;
    best(|| {
        let place = (n as f32 + 0.5 + s.between(-0.3, 0.3)) * step - sweep;
        let azimuth = if sweep < 180.0 { place } else { place + turn * step };
        let view = View::studio(
            wrapped(azimuth),
            s.between(elevations[0], elevations[1]),
            setup.orthographic,
        );
        let layer = render(model, &view, setup.size);
        shot(layer.over(1.0), &view, layer.coverage())
    })
}

/// The `n`th street view: any side, any place in the frame, other light, things behind and beside it.
pub fn street(model: &Model, size: &[f32; 3], label: &str, n: usize, setup: &Setup) -> Result<Shot, String> {
    let mut s = stream(setup.seed, &format!("street {n}"), label);
    let (sweep, elevations) = angles(size);
    best(|| {
        let view = View {
            // Who photographs a thing for others seldom does so from behind.
            azimuth: s.between(-0.55 * sweep, 0.55 * sweep),
            elevation: s.between(elevations[0], elevations[1]),
            roll: s.between(-6.0, 6.0),
            fill: s.between(0.78, 0.95),
            shift: [s.between(-0.5, 0.5), s.between(-0.5, 0.5)],
            orthographic: setup.orthographic,
            light: [s.between(-0.9, 0.9), s.between(0.2, 0.9), s.between(0.3, 0.8)],
            ambient: s.between(0.45, 0.7),
            diffuse: s.between(0.35, 0.65),
            tint: tint(&mut s, 0.08),
        };
        let layer = render(model, &view, setup.size);
        let rgb = compose(&layer, &view, &mut s, setup);
        shot(rgb, &view, layer.coverage())
    })
}

/// Three fixed views, by which products that look the same are told.
pub fn fingerprint(model: &Model) -> Vec<Layer> {
    [(30.0, 20.0), (-50.0, 35.0), (170.0, 15.0)]
        .map(|(azimuth, elevation)| render(model, &View::studio(azimuth, elevation, true), 48))
        .into()
}

fn shot(rgb: Vec<u8>, view: &View, coverage: f32) -> Shot {
    Shot {
        rgb,
        azimuth: view.azimuth,
        elevation: view.elevation,
        coverage,
    }
}

/// Degrees in (-180, 180].
fn wrapped(degrees: f32) -> f32 {
    degrees - 360.0 * ((degrees + 180.0) / 360.0).floor()
}

fn tint(s: &mut Stream, strength: f32) -> [f32; 3] {
    let warmth = s.between(-strength, strength);
    [
        1.0 + warmth,
        1.0 + s.between(-strength, strength) * 0.3,
        1.0 - warmth,
    ]
}

/// A piece of a texture photo, turned, scaled and lit at random.
struct Patch<'a> {
    texture: &'a Texture,
    level: usize,
    origin: [f32; 2],
    across: [f32; 2],
    down: [f32; 2],
    gain: [f32; 3],
    /// The share of plain light in it, as of something far off.
    haze: f32,
}

impl<'a> Patch<'a> {
    fn draw(s: &mut Stream, setup: &Setup<'a>, gain: [f32; 2]) -> Self {
        let texture = &setup.backgrounds[s.below(setup.backgrounds.len())];
        let (w, h) = texture.size();
        // The frame shows between a third and all of the photo's shorter side.
        let (span, (sin, cos)) = (s.between(0.35, 1.0), sin_cos(s.between(-180.0, 180.0)));
        let texels = span * w.min(h) as f32 / setup.size as f32;
        let gain = s.between(gain[0], gain[1]);
        Self {
            texture,
            level: texture.level(texels * texels),
            origin: [s.between(0.0, 1.0), s.between(0.0, 1.0)],
            across: [cos * texels / w as f32, sin * texels / h as f32],
            down: [-sin * texels / w as f32, cos * texels / h as f32],
            gain: tint(s, 0.06).map(|t| t * gain),
            haze: s.between(0.6, 0.9),
        }
    }

    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let uv = |i: usize| self.origin[i] + self.across[i] * x + self.down[i] * y;
        let texel = self.texture.sample(self.level, uv(0), uv(1));
        std::array::from_fn(|c| (texel[c] * (1.0 - self.haze) + 0.95 * self.haze) * self.gain[c])
    }
}

/// Wall, floor, things that stand about, the object's shadow, the object.
fn compose(object: &Layer, view: &View, s: &mut Stream, setup: &Setup) -> Vec<u8> {
    let n = setup.size;
    let side = n as f32;
    let mut scene = vec![[0.0f32; 3]; n * n];
    if !setup.backgrounds.is_empty() {
        let (wall, floor) = (
            Patch::draw(s, setup, [0.9, 1.1]),
            Patch::draw(s, setup, [0.85, 1.1]),
        );
        let (horizon, slope) = (side * s.between(0.2, 0.8), s.between(-0.25, 0.25));
        for (i, pixel) in scene.iter_mut().enumerate() {
            let (x, y) = ((i % n) as f32, (i / n) as f32);
            let below = y > horizon + slope * (x - side / 2.0);
            *pixel = if below { floor.at(x, y) } else { wall.at(x, y) };
        }
        for _ in 0..1 + s.below(3) {
            clutter(&mut scene, &Patch::draw(s, setup, [0.7, 1.1]), s, n);
        }
        soften(&mut scene, n);
    }
    // The shadow: the object's outline, soft, moved away from the light.
    let (dx, dy) = (-view.light[0] * 0.08 * side, (0.02 + 0.05 * view.light[1]) * side);
    let mut shadow = vec![[0.0f32; 3]; n * n];
    for (i, pixel) in shadow.iter_mut().enumerate() {
        let (x, y) = ((i % n) as f32 - dx, (i / n) as f32 - dy);
        let inside = x >= 0.0 && y >= 0.0 && x < side && y < side;
        *pixel = [if inside {
            object.pixels[y as usize * n + x as usize][3]
        } else {
            0.0
        }; 3];
    }
    soften(&mut shadow, n);
    soften(&mut shadow, n);
    let depth = s.between(0.2, 0.6);
    let mut rgb = Vec::with_capacity(n * n * 3);
    for (i, p) in object.pixels.iter().enumerate() {
        for c in 0..3 {
            let behind = scene[i][c].min(1.0) * view.tint[c] * (1.0 - depth * shadow[i][0]);
            rgb.push(byte(p[c] + behind * (1.0 - p[3])));
        }
    }
    rgb
}

/// One turned rectangle or ellipse of another material.
fn clutter(scene: &mut [[f32; 3]], patch: &Patch, s: &mut Stream, n: usize) {
    let side = n as f32;
    let (cx, cy) = (side * s.between(0.0, 1.0), side * s.between(0.0, 1.0));
    let (a, b) = (side * s.between(0.06, 0.28), side * s.between(0.06, 0.28));
    let ((sin, cos), round) = (sin_cos(s.between(-90.0, 90.0)), s.below(2) == 0);
    for (i, pixel) in scene.iter_mut().enumerate() {
        let (x, y) = ((i % n) as f32, (i / n) as f32);
        let (u, v) = (
            ((x - cx) * cos + (y - cy) * sin) / a,
            ((y - cy) * cos - (x - cx) * sin) / b,
        );
        let inside = if round {
            u * u + v * v < 1.0
        } else {
            u.abs() < 1.0 && v.abs() < 1.0
        };
        if inside {
            *pixel = patch.at(x, y);
        }
    }
}

/// The mean of the pixels about each: what lies behind the object is a little out of focus.
fn soften(pixels: &mut [[f32; 3]], n: usize) {
    let radius = (n / 64).max(1);
    for (step, line) in [(1, n), (n, 1)] {
        for start in (0..n).map(|i| i * line) {
            let row: Vec<[f32; 3]> = (0..n).map(|i| pixels[start + i * step]).collect();
            for i in 0..n {
                let near = &row[i.saturating_sub(radius)..(i + radius + 1).min(n)];
                pixels[start + i * step] =
                    std::array::from_fn(|c| near.iter().map(|p| p[c]).sum::<f32>() / near.len() as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cube() -> Model {
        let mut text = String::new();
        for i in 0..8 {
            text += &format!("v {} {} {}\n", i & 1, i >> 1 & 1, i >> 2);
        }
        text += "f 1 2 4 3\nf 5 6 8 7\nf 1 2 6 5\nf 3 4 8 7\nf 1 3 7 5\nf 2 4 8 6\n";
        Model::parse(text.as_bytes(), &mut |_| Err(String::new())).unwrap()
    }

    #[test]
    fn views_are_drawn_again_alike_and_differ_from_each_other() {
        let photo = Texture::new(4, 4, (0..64).map(|i| (i * 37 % 256) as u8 | 1).collect());
        let backgrounds = [photo];
        let setup = Setup {
            size: 32,
            seed: 5,
            orthographic: false,
            backgrounds: &backgrounds,
        };
        let (cube, size) = (cube(), [1.0; 3]);
        let a = street(&cube, &size, "cube", 0, &setup).unwrap();
        assert_eq!(a.rgb, street(&cube, &size, "cube", 0, &setup).unwrap().rgb);
        assert_ne!(a.rgb, street(&cube, &size, "cube", 1, &setup).unwrap().rgb);
        assert_ne!(a.rgb, street(&cube, &size, "other", 0, &setup).unwrap().rgb);
        let mut azimuths: Vec<f32> = (0..4)
            .map(|n| studio(&cube, &size, "cube", n, 4, &setup).unwrap().azimuth)
            .collect();
        azimuths.sort_by(f32::total_cmp);
        // Steps of 90 degrees with a jitter of at most 27 each way.
        assert!(
            azimuths.windows(2).all(|w| (w[1] - w[0] - 90.0).abs() <= 54.1),
            "{azimuths:?}"
        );
        let corner = studio(&cube, &size, "cube", 0, 4, &setup).unwrap().rgb;
        assert_eq!(corner[..3], [255; 3]);
    }

    #[test]
    fn an_empty_view_is_refused() {
        let text = b"v 0 0 0\nv 1 0 0\nv 0.5 0.0001 0\nf 1 2 3\n";
        let line = Model::parse(text, &mut |_| Err(String::new())).unwrap();
        let setup = Setup {
            size: 64,
            seed: 1,
            orthographic: false,
            backgrounds: &[],
        };
        assert!(
            studio(&line, &[1.0; 3], "line", 0, 4, &setup)
                .err()
                .unwrap()
                .contains('%')
        );
    }

    #[test]
    fn angles_wrap_and_softening_keeps_the_mean() {
        assert_eq!(wrapped(190.0), -170.0);
        assert_eq!(wrapped(-190.0), 170.0);
        let mut pixels = vec![[0.5f32; 3]; 100];
        soften(&mut pixels, 10);
        assert!(pixels.iter().all(|p| (p[0] - 0.5).abs() < 1e-6));
    }
}
