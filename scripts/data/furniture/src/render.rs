//! A z-buffer: a model seen from one side, over nothing.

use crate::model::{Material, Model, Triangle, cross, dot, sub};
use crate::random::sin_cos;

/// Samples per pixel along each axis.
const SUPERSAMPLING: usize = 2;
/// Surfaces fainter than this are helpers of the modelling program, not to be seen.
const INVISIBLE: f32 = 0.02;
/// Glass is drawn at least this strongly, or it could not be seen on white.
const FAINTEST: f32 = 0.25;

/// From where, how large and in which light.
#[derive(Clone, Debug)]
pub struct View {
    /// Degrees about the vertical axis; 0 looks at the front, 90 at the side towards +x.
    pub azimuth: f32,
    /// Degrees above the horizon.
    pub elevation: f32,
    /// Degrees within the image.
    pub roll: f32,
    /// The longer side of the object's box as a share of the image's side.
    pub fill: f32,
    /// Where the object's box lies in the room that is left: -1 to 1 across and up, 0 the centre.
    pub shift: [f32; 2],
    pub orthographic: bool,
    /// Direction to the light as the camera sees it: right, up, towards the camera.
    pub light: [f32; 3],
    /// Light from everywhere, and from that direction.
    pub ambient: f32,
    pub diffuse: f32,
    /// Colour of both.
    pub tint: [f32; 3],
}

impl View {
    /// The middle of the frame, in white light from the upper left.
    pub fn studio(azimuth: f32, elevation: f32, orthographic: bool) -> Self {
        Self {
            azimuth,
            elevation,
            roll: 0.0,
            fill: 0.9,
            shift: [0.0; 2],
            orthographic,
            light: [-0.42, 0.62, 0.66],
            ambient: 0.68,
            diffuse: 0.52,
            tint: [1.0; 3],
        }
    }
}

/// A square image with transparency: red, green, blue times alpha, and alpha, each 0 to 1.
pub struct Layer {
    pub pixels: Vec<[f32; 4]>,
}

impl Layer {
    /// The share of pixels in which the object can be seen.
    pub fn coverage(&self) -> f32 {
        self.pixels.iter().filter(|p| p[3] > 0.1).count() as f32 / self.pixels.len() as f32
    }

    /// RGB bytes over a plain colour.
    pub fn over(&self, background: f32) -> Vec<u8> {
        self.pixels
            .iter()
            .flat_map(|p| [0, 1, 2].map(|c| byte(p[c] + background * (1.0 - p[3]))))
            .collect()
    }
}

/// 0 to 1 as a byte.
pub fn byte(value: f32) -> u8 {
    (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

/// The film's answer to light: straight, then bent so that the brightest white still differs from the paper.
fn exposed(light: f32) -> f32 {
    let over = (light.max(0.0) - 0.7).max(0.0) / 0.25;
    light.clamp(0.0, 0.7) + 0.25 * (1.0 - 1.0 / (1.0 + over))
}

/// A point on the image plane: pixels right and down, and the inverse of its distance (larger is nearer).
#[derive(Clone, Copy)]
struct Projected {
    x: f32,
    y: f32,
    near: f32,
}

/// Draws the model, framed to its outline, on `size` × `size` pixels.
pub fn render(model: &Model, view: &View, size: usize) -> Layer {
    let fine = size * SUPERSAMPLING;
    let visible = |t: &&Triangle| model.materials[t.material as usize].alpha >= INVISIBLE;
    let (seen, points) = project(model, view, fine);
    let mut canvas = Canvas {
        size: fine,
        pixels: vec![[0.0; 4]; fine * fine],
        near: vec![0.0; fine * fine],
    };
    let mut clear: Vec<(f32, &Triangle)> = Vec::new();
    for t in model.triangles.iter().filter(visible) {
        let material = &model.materials[t.material as usize];
        if material.alpha > 0.99 && !material.texture.is_some_and(|i| model.textures[i].glass) {
            canvas.draw(model, t, material, &seen, &points, view, true);
        } else {
            clear.push((t.points.iter().map(|&p| points[p as usize].near).sum(), t));
        }
    }
    // What lets light through is laid over the rest from the back to the front.
    clear.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, t) in clear {
        canvas.draw(
            model,
            t,
            &model.materials[t.material as usize],
            &seen,
            &points,
            view,
            false,
        );
    }
    canvas.shrink(size)
}

/// The points as the camera sees them, and on the image plane.
fn project(model: &Model, view: &View, size: usize) -> (Vec<[f32; 3]>, Vec<Projected>) {
    let ((sa, ca), (se, ce), (sr, cr)) = (sin_cos(view.azimuth), sin_cos(view.elevation), sin_cos(view.roll));
    let (right, up, towards) = ([ca, 0.0, -sa], [-sa * se, ce, -ca * se], [sa * ce, se, ca * ce]);
    let turn = |p: &[f32; 3]| {
        let (x, y) = (dot(*p, right), dot(*p, up));
        [x * cr - y * sr, x * sr + y * cr, dot(*p, towards)]
    };
    let seen: Vec<[f32; 3]> = model.points.iter().map(turn).collect();
    let used = || {
        let drawn = model
            .triangles
            .iter()
            .filter(|t| model.materials[t.material as usize].alpha >= INVISIBLE);
        drawn.flat_map(|t| t.points).map(|p| p as usize)
    };
    let radius = used().map(|i| dot(seen[i], seen[i])).fold(1e-12, f32::max).sqrt();
    let distance = 4.0 * radius;
    let plane = |p: &[f32; 3]| {
        let near = 1.0 / (distance - p[2].min(distance * 0.9));
        let zoom = if view.orthographic { 1.0 } else { distance * near };
        (p[0] * zoom, p[1] * zoom, near)
    };
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for i in used() {
        let (x, y, _) = plane(&seen[i]);
        (low, high) = ([low[0].min(x), low[1].min(y)], [high[0].max(x), high[1].max(y)]);
    }
    let longest = (high[0] - low[0]).max(high[1] - low[1]).max(1e-12);
    let scale = size as f32 * view.fill / longest;
    let centre: [f32; 2] = std::array::from_fn(|c| {
        let room = (size as f32 - (high[c] - low[c]) * scale) * 0.5 - 0.02 * size as f32;
        (low[c] + high[c]) / 2.0 * scale - view.shift[c] * room.max(0.0)
    });
    let half = size as f32 / 2.0;
    let points = seen.iter().map(|p| {
        let (x, y, near) = plane(p);
        Projected {
            x: half + x * scale - centre[0],
            y: half - (y * scale - centre[1]),
            near,
        }
    });
    let points = points.collect();
    (seen, points)
}

/// Twice the area of a triangle from an edge to a point: its sign says on which side the point lies. Exactly opposite
/// for the reversed edge, so that of two triangles which share it just one draws each point.
fn edge(from: Projected, to: Projected, x: f32, y: f32) -> f32 {
    let along = |p: Projected, q: Projected| (q.x - p.x) * (y - p.y) - (q.y - p.y) * (x - p.x);
    if owns(from, to) {
        along(from, to)
    } else {
        -along(to, from)
    }
}

/// Which of two opposite directions of an edge draws the points that lie on it.
fn owns(from: Projected, to: Projected) -> bool {
    (from.x, from.y) < (to.x, to.y)
}

struct Canvas {
    size: usize,
    pixels: Vec<[f32; 4]>,
    near: Vec<f32>,
}

impl Canvas {
    #[allow(clippy::too_many_arguments)]
    fn draw(
        &mut self,
        model: &Model,
        triangle: &Triangle,
        material: &Material,
        seen: &[[f32; 3]],
        points: &[Projected],
        view: &View,
        solid: bool,
    ) {
        let [a, b, c] = triangle.points.map(|p| points[p as usize]);
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        // Two-sided: the normal that looks at the camera, whichever way the corners run.
        let [p, q, r] = triangle.points.map(|p| seen[p as usize]);
        let normal = cross(sub(q, p), sub(r, p));
        let length = dot(normal, normal).sqrt() * if area > 0.0 { -1.0 } else { 1.0 };
        let facing = if length == 0.0 {
            1.0
        } else {
            dot(normal, view.light) / length
        };
        let light = dot(view.light, view.light).sqrt();
        // Half of the ambient light comes from above.
        let above = if length == 0.0 { 0.0 } else { normal[1] / length };
        let shade = view.ambient * (0.9 + 0.1 * above) + view.diffuse * (facing / light).max(0.0);

        let texture = material.texture.map(|i| &model.textures[i]);
        let [ta, tb, tc] = triangle.uvs.map(|i| model.uvs[i as usize]);
        let level = texture.map_or(0, |t| {
            let (w, h) = t.size();
            let spread = (tb[0] - ta[0]) * (tc[1] - ta[1]) - (tb[1] - ta[1]) * (tc[0] - ta[0]);
            t.level(spread.abs() * (w * h) as f32 / area.abs())
        });
        let alpha = if material.alpha > 0.99 {
            1.0
        } else {
            material.alpha.max(FAINTEST)
        };

        let turn = area.signum();
        let last = self.size as f32 - 1.0;
        let range = |values: [f32; 3]| {
            let low = values.iter().copied().fold(f32::MAX, f32::min);
            let high = values.iter().copied().fold(f32::MIN, f32::max);
            ((low - 0.5).ceil().max(0.0), (high - 0.5).floor().min(last))
        };
        let ((x0, x1), (y0, y1)) = (range([a.x, b.x, c.x]), range([a.y, b.y, c.y]));
        if x0 > x1 || y0 > y1 {
            return;
        }
        for y in y0 as usize..=y1 as usize {
            for x in x0 as usize..=x1 as usize {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let (eb, ec) = (edge(c, a, px, py) * turn, edge(a, b, px, py) * turn);
                let inside = |e: f32, from: Projected, to: Projected| {
                    e > 0.0 || (e == 0.0 && owns(from, to) == (turn > 0.0))
                };
                if !inside(edge(b, c, px, py) * turn, b, c) || !inside(eb, c, a) || !inside(ec, a, b) {
                    continue;
                }
                let (wb, wc) = (eb / area.abs(), ec / area.abs());
                let wa = 1.0 - wb - wc;
                let near = wa * a.near + wb * b.near + wc * c.near;
                let at = y * self.size + x;
                if near <= self.near[at] {
                    continue;
                }
                let mut colour = material.colour;
                let mut alpha = alpha;
                if let Some(texture) = texture {
                    let weights = if view.orthographic {
                        [wa, wb, wc]
                    } else {
                        [wa * a.near, wb * b.near, wc * c.near]
                    };
                    let total: f32 = weights.iter().sum();
                    let uv =
                        |i: usize| (weights[0] * ta[i] + weights[1] * tb[i] + weights[2] * tc[i]) / total;
                    let texel = texture.sample(level, uv(0), uv(1));
                    (0..3).for_each(|c| colour[c] *= texel[c]);
                    alpha *= texel[3];
                }
                if solid {
                    if alpha < 0.5 {
                        continue;
                    }
                    alpha = 1.0;
                    self.near[at] = near;
                }
                let pixel = &mut self.pixels[at];
                for c in 0..3 {
                    let lit = exposed(colour[c] * shade * view.tint[c]);
                    pixel[c] = lit * alpha + pixel[c] * (1.0 - alpha);
                }
                pixel[3] = alpha + pixel[3] * (1.0 - alpha);
            }
        }
    }

    /// The mean of each pixel's samples.
    fn shrink(&self, size: usize) -> Layer {
        let weight = 1.0 / (SUPERSAMPLING * SUPERSAMPLING) as f32;
        let mut pixels = vec![[0.0; 4]; size * size];
        for (i, sample) in self.pixels.iter().enumerate() {
            let (x, y) = (i % self.size / SUPERSAMPLING, i / self.size / SUPERSAMPLING);
            (0..4).for_each(|c| pixels[y * size + x][c] += sample[c] * weight);
        }
        Layer { pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Model {
        let mtl = "newmtl red\nKd 1 0 0\nnewmtl blue\nKd 0 0 1\nnewmtl glass\nKd 0 1 0\nd 0.5\n";
        Model::parse(text.as_bytes(), &mut |_| Ok(mtl.into())).unwrap()
    }

    /// A square at depth z, from -1 to 1.
    fn square(first: usize, z: f32, material: &str) -> String {
        let corners: String = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            .iter()
            .map(|(x, y)| format!("v {x} {y} {z}\n"))
            .collect();
        format!(
            "{corners}usemtl {material}\nf {} {} {} {}\n",
            first,
            first + 1,
            first + 2,
            first + 3
        )
    }

    #[test]
    fn the_nearer_surface_hides_the_other_from_both_sides() {
        for order in [["red", "blue"], ["blue", "red"]] {
            let z = |m: &str| if m == "red" { 1.0 } else { -1.0 };
            let text = format!(
                "mtllib m\n{}{}",
                square(1, z(order[0]), order[0]),
                square(5, z(order[1]), order[1])
            );
            let model = model(&text);
            let centre = |azimuth| render(&model, &View::studio(azimuth, 0.0, false), 16).pixels[8 * 16 + 8];
            let (front, back) = (centre(0.0), centre(180.0));
            assert!(front[0] > 0.5 && front[2] == 0.0 && front[3] == 1.0, "{front:?}");
            assert!(back[2] > 0.5 && back[0] == 0.0, "{back:?}");
        }
    }

    #[test]
    fn glass_lets_what_is_behind_through() {
        let model = model(&format!(
            "mtllib m\n{}{}",
            square(1, 1.0, "glass"),
            square(5, -1.0, "red")
        ));
        let p = render(&model, &View::studio(0.0, 0.0, true), 16).pixels[8 * 16 + 8];
        assert!((p[0] - p[1]).abs() < 0.02 && p[3] == 1.0, "{p:?}");
    }

    #[test]
    fn up_is_up_right_is_right_and_the_frame_is_filled() {
        // A red quarter at the upper right of a blue square.
        let text = format!(
            "mtllib m\n{}v 0 0 0.1\nv 1 0 0.1\nv 1 1 0.1\nusemtl red\nf 5 6 7\n",
            square(1, 0.0, "blue")
        );
        let layer = render(&model(&text), &View::studio(0.0, 0.0, true), 20);
        assert!((layer.coverage() - 0.81).abs() < 0.01, "{}", layer.coverage());
        let red: Vec<usize> = (0..400).filter(|&i| layer.pixels[i][0] > 0.5).collect();
        assert!(!red.is_empty() && red.iter().all(|i| i / 20 < 10 && i % 20 >= 10));
        // From a high camera, the front (+z) of something lying on the floor is at the bottom.
        let floor = "mtllib m\nv -1 0 0\nv 1 0 0\nv 1 0 1\nv -1 0 1\nusemtl red\nf 1 2 3 4\nv -1 0 -1\nv 1 0 -1\nusemtl blue\nf 1 2 6 5\n";
        let layer = render(&model(floor), &View::studio(0.0, 60.0, false), 20);
        assert!(layer.pixels[14 * 20 + 10][0] > 0.3 && layer.pixels[5 * 20 + 10][2] > 0.3);
    }

    #[test]
    fn the_object_can_be_moved_but_not_out_of_the_frame() {
        let model = model(&format!("mtllib m\n{}", square(1, 0.0, "red")));
        let mut view = View::studio(0.0, 0.0, true);
        (view.fill, view.shift) = (0.5, [1.0, 1.0]);
        let layer = render(&model, &view, 50);
        assert!(layer.pixels[49].iter().all(|&v| v == 0.0));
        assert!(layer.pixels[2 * 50 + 47][3] > 0.9);
        assert!((layer.coverage() - 0.25).abs() < 0.02);
    }
}
