//! The few protocol buffer messages of a TensorBoard event, encoded by hand.
//!
//! Field numbers are those of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.

/// How a field's value is stored.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// A message under construction.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn varint(mut self, field: u32, value: u64) -> Self {
        self.key(field, Wire::Varint);
        self.raw_varint(value);
        self
    }

    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, Wire::Fixed64);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Fixed32);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, Wire::Bytes);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub(super) fn message(self, field: u32, value: Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.raw_varint(u64::from(field) << 3 | wire as u64);
    }

    /// Seven bits a byte, lowest first; the top bit says that more follow.
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What an event carries beside its time and step.
pub(super) enum Content<'a> {
    /// The first event of a file.
    Version,
    /// The run goes on at the event's step: what older files hold from there on is void.
    Restart,
    /// Named numbers.
    Scalars(&'a [(&'a str, f64)]),
    /// A named picture.
    Image {
        /// Its name.
        tag: &'a str,
        /// The bytes of its file.
        png: &'a [u8],
        /// What the file's header says.
        header: PngHeader,
    },
}

/// The size and the colours of a PNG file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PngHeader {
    /// In pixels.
    pub(super) height: u32,
    /// In pixels.
    pub(super) width: u32,
    /// How many numbers make up a pixel: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    pub(super) colorspace: u32,
}

impl PngHeader {
    /// Reads the header, or nothing when `png` is no PNG file.
    pub(super) fn read(png: &[u8]) -> Option<Self> {
        // The signature is followed by the length and the name of the first chunk, then its content.
        let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
        let (width, header) = header.split_first_chunk()?;
        let (height, header) = header.split_first_chunk()?;
        let [_depth, color, ..] = header else { return None };
        let colorspace = match color {
            0 => 1,
            2 | 3 => 3, // a palette holds RGB
            4 => 2,
            6 => 4,
            _ => return None,
        };
        Some(Self { height: u32::from_be_bytes(*height), width: u32::from_be_bytes(*width), colorspace })
    }
}

/// Encodes an event; `wall_time` is in seconds since 1970.
pub(super) fn event(wall_time: f64, step: u64, content: &Content) -> Vec<u8> {
    let event = Message::default().double(1, wall_time).varint(2, step);
    match content {
        // From version 2 on, readers look for restart marks.
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Restart => event.message(7, Message::default().varint(1, 1)),
        Content::Scalars(scalars) => event.message(5, scalars_summary(scalars)),
        Content::Image { tag, png, header } => event.message(5, image_summary(tag, png, *header)),
    }
    .into_bytes()
}

fn scalars_summary(scalars: &[(&str, f64)]) -> Message {
    scalars.iter().fold(Message::default(), |summary, (tag, value)| {
        summary.message(1, Message::default().bytes(1, tag.as_bytes()).float(2, *value as f32))
    })
}

fn image_summary(tag: &str, png: &[u8], header: PngHeader) -> Message {
    let image = Message::default()
        .varint(1, header.height.into())
        .varint(2, header.width.into())
        .varint(3, header.colorspace.into())
        .bytes(4, png);
    Message::default().message(1, Message::default().bytes(1, tag.as_bytes()).message(4, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_the_format_says() {
        // Key = field << 3 | wire type; 300 = 0b10_0101100 becomes 1_0101100 0_0000010.
        assert_eq!(Message::default().varint(1, 300).into_bytes(), [0x08, 0xac, 0x02]);
        assert_eq!(Message::default().bytes(2, b"ab").into_bytes(), [0x12, 2, b'a', b'b']);
        assert_eq!(Message::default().float(2, 1.0).into_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::default().double(1, 1.0).into_bytes(), [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        let inner = Message::default().varint(1, 1);
        assert_eq!(Message::default().message(7, inner).into_bytes(), [0x3a, 2, 0x08, 1]);
        let longest = Message::default().varint(2, u64::MAX).into_bytes();
        assert_eq!(longest, [0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

    #[test]
    fn the_header_of_a_png_gives_its_size_and_colours() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x02\0\0\0\x03\x08\x06".to_vec();
        assert_eq!(PngHeader::read(&png), Some(PngHeader { width: 258, height: 3, colorspace: 4 }));
        *png.last_mut().unwrap() = 9;
        assert_eq!(PngHeader::read(&png), None);
        assert_eq!(PngHeader::read(&png[..20]), None);
        assert_eq!(PngHeader::read(b"GIF89a"), None);
    }
}
