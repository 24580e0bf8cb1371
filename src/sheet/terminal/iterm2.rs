//! A picture as an inline image of iTerm2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Shows a PNG over so many columns, as high as it is then.
pub(super) fn picture(png: &[u8], columns: usize) -> String {
    format!(
        "\x1b]1337;File=inline=1;size={};width={columns};height=auto;preserveAspectRatio=1:{}\x07",
        png.len(),
        STANDARD.encode(png)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_one_sequence() {
        assert_eq!(
            picture(b"\x89PNG", 40),
            "\x1b]1337;File=inline=1;size=4;width=40;height=auto;preserveAspectRatio=1:iVBORw==\x07"
        );
    }
}
