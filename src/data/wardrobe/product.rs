//! What a product is: every choice that its pictures, its title and its attributes follow from.

use super::palette::Dye;

/// An enumeration whose variants have a word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $word] $variant),* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its word, as attributes say it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// The kind of garment.
    Category {
        TShirt = "t-shirt", Shirt = "shirt", Blouse = "blouse", Sweater = "sweater", Hoodie = "hoodie",
        Jacket = "jacket", Coat = "coat", Dress = "dress", Skirt = "skirt", Trousers = "trousers",
        Jeans = "jeans", Shorts = "shorts", Shoes = "shoes", Boots = "boots", Bag = "bag", Hat = "hat",
        Scarf = "scarf",
    }
}

words! {
    /// What is on the cloth.
    Pattern {
        Plain = "plain", Stripes = "striped", VerticalStripes = "vertical-striped", Checks = "checked",
        Dots = "dotted", Floral = "floral", ColourBlock = "colour-block", Print = "printed",
        Denim = "denim", Knit = "knitted",
    }
}

words! {
    /// The form within a category.
    Cut {
        Plain = "plain",
        // tops
        Puff = "puff", Peplum = "peplum", CableKnit = "cable-knit",
        // jackets and coats
        Bomber = "bomber", Blazer = "blazer", Biker = "biker", Trucker = "trucker", Puffer = "puffer",
        Trench = "trench", Parka = "parka", Overcoat = "tailored",
        // dresses and skirts
        Shift = "shift", ALine = "a-line", Flared = "flared", Pleated = "pleated", Pencil = "pencil",
        Wrap = "wrap",
        // legs
        Skinny = "skinny", Straight = "straight", Wide = "wide-leg", Bootcut = "bootcut",
        Tapered = "tapered", Cargo = "cargo",
        // feet
        Sneaker = "sneaker", Loafer = "loafer", Pump = "high-heeled", Sandal = "open", Ballet = "ballet",
        Ankle = "ankle", Chelsea = "chelsea", Knee = "knee-high", Hiking = "hiking",
        // bags
        Tote = "tote", Shoulder = "shoulder", Backpack = "back", Clutch = "clutch", Bucket = "bucket",
        // hats
        Beanie = "beanie", Cap = "cap", Fedora = "fedora", Sun = "sun", BucketHat = "fisherman",
        // scarves
        Loop = "loop", Hanging = "long",
    }
}

words! {
    /// How far an arm is covered.
    Sleeve {
        None = "sleeveless", Strap = "strappy", Cap = "cap-sleeve", Short = "short-sleeve",
        Elbow = "elbow-sleeve", ThreeQuarter = "three-quarter-sleeve", Long = "long-sleeve",
    }
}

words! {
    /// The opening at the neck.
    Neck {
        Round = "round neck", V = "v-neck", Scoop = "scoop neck", Boat = "boat neck",
        Square = "square neck", Turtle = "turtleneck", Collar = "collar", Band = "band collar",
        Hood = "hood", Lapel = "lapels", Stand = "stand-up collar", Bow = "bow",
    }
}

words! {
    /// Where a garment ends.
    Length {
        Cropped = "cropped", Regular = "regular", Longline = "longline", Mini = "mini", Knee = "knee-length",
        Midi = "midi", Maxi = "maxi",
    }
}

words! {
    /// How wide a garment is on the body.
    Fit { Slim = "slim", Regular = "regular", Loose = "loose", Oversized = "oversized" }
}

words! {
    /// How the front is closed.
    Closure { Buttons = "buttons", Zip = "zip", DoubleBreasted = "double-breasted", Belt = "belt", Laces = "laces" }
}

words! {
    /// Where hands and tickets go.
    Pockets { Chest = "chest pocket", TwoChest = "two chest pockets", Patch = "patch pockets", Welt = "welt pockets", Kangaroo = "kangaroo pocket", Cargo = "cargo pockets" }
}

words! {
    /// What is at the edges in another colour.
    Trim { Contrast = "contrast trim", Fringe = "fringe", Fur = "fur trim", Turnups = "turn-ups", Rips = "rips", Band = "side stripe" }
}

words! {
    /// The picture of a print.
    MotifKind {
        Star = "star", Heart = "heart", Sun = "sun", Mountain = "mountain", Letters = "lettering",
        Leaf = "leaf", Wave = "wave", Bolt = "lightning", Diamond = "diamond", Cat = "cat", Flower = "flower",
        Target = "target",
    }
}

/// A print on a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motif {
    /// What it shows.
    pub kind: MotifKind,
    /// Draws its details.
    pub seed: u64,
    /// Its half width in body units.
    pub size: f32,
    /// Where it stands, from the middle of the chest (or of the bag).
    pub offset: (f32, f32),
}

/// The measures of a product, each about 0.5 and within 0 and 1: what makes two products of the same words differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// Width of the whole.
    pub width: f32,
    /// Where it ends.
    pub length: f32,
    /// How much wider the hem is than the waist.
    pub flare: f32,
    /// How far it is taken in at the waist.
    pub waist: f32,
    /// Length of the sleeves within their word.
    pub sleeve: f32,
    /// Width of the sleeves.
    pub sleeve_width: f32,
    /// Width of the neck opening.
    pub neck_width: f32,
    /// Depth of the neck opening.
    pub neck_depth: f32,
    /// Curve of the hem.
    pub hem: f32,
    /// Spacing of the pattern.
    pub period: f32,
    /// Share of the pattern's second colour.
    pub duty: f32,
    /// Free for what a category alone has: buttons, seams, soles, handles.
    pub detail: [f32; 4],
    /// Draws the pattern's places (flowers, cables, wash).
    pub pattern_seed: u64,
}

/// A product of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Its number.
    pub index: u64,
    /// What it is.
    pub category: Category,
    /// Which form of it.
    pub cut: Cut,
    /// The first colour: the title begins with it.
    pub colour: Dye,
    /// The colour of pattern, trim or motif.
    pub second: Dye,
    /// A third colour.
    pub accent: Dye,
    /// The cloth.
    pub pattern: Pattern,
    /// Sleeves, where there are arms to cover.
    pub sleeve: Option<Sleeve>,
    /// The neck, where there is one.
    pub neck: Option<Neck>,
    /// The length, where it has a word.
    pub length: Option<Length>,
    /// The fit, where it has a word.
    pub fit: Option<Fit>,
    /// The closure, where there is one.
    pub closure: Option<Closure>,
    /// Pockets, where there are any.
    pub pockets: Option<Pockets>,
    /// What is at the edges.
    pub trim: Option<Trim>,
    /// The print, for [`Pattern::Print`].
    pub motif: Option<Motif>,
    /// Everything that has no word.
    pub measures: Measures,
}
