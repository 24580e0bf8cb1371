//! Files made by hand, to their coefficients; the expected ones are libjpeg-turbo's.

use super::*;
use crate::decode::markers::Component;

const SOF0: u8 = 0xc0;
const SOF2: u8 = 0xc2;
const END: [u8; 2] = [0xff, 0xd9];
/// A block whose DC coefficient is 2 more than the last, and whose first AC coefficient is 1; eight bits.
const BLOCK: &str = "10 10  0 1  10";

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("a short segment").to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

/// Huffman tables 0. DC: 0 is size 0 and 10 size 2. AC: 0 is size 1, 10 the end, 110 sixteen zeros, 1110 the end of 2 or 3 blocks,
/// and 11110 fifteen zeros and size 1.
fn tables() -> Vec<u8> {
    let mut content = vec![0x00, 1, 1];
    content.extend([0; 14]);
    content.extend([0, 2]);
    content.extend([0x10, 1, 1, 1, 1, 1]);
    content.extend([0; 11]);
    content.extend([0x01, 0x00, 0xf0, 0x10, 0xf1]);
    segment(0xc4, &content)
}

fn quantization(number: u8, value: u8) -> Vec<u8> {
    segment(0xdb, &[&[number], &[value; 64][..]].concat())
}

fn frame(marker: u8, width: u8, height: u8, components: &[Component]) -> Vec<u8> {
    let mut content = vec![8, 0, height, 0, width, components.len() as u8];
    for component in components {
        content.extend([component.id, component.horizontal << 4 | component.vertical, component.quantization]);
    }
    segment(marker, &content)
}

fn component(id: u8, horizontal: u8, vertical: u8) -> Component {
    Component { id, horizontal, vertical, quantization: 0 }
}

fn scan(ids: &[u8], spectral: (u8, u8), approximation: u8) -> Vec<u8> {
    let mut content = vec![ids.len() as u8];
    content.extend(ids.iter().flat_map(|id| [*id, 0]));
    content.extend([spectral.0, spectral.1, approximation]);
    segment(0xda, &content)
}

/// Bits to bytes, filled with ones; a zero behind every ff.
fn bits(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
    let byte_of = |bits: &[u8]| (0..8).fold(0, |byte, place| byte << 1 | bits.get(place).copied().unwrap_or(1));
    let stuffed = |byte: u8| if byte == 0xff { vec![byte, 0] } else { vec![byte] };
    bits.chunks(8).map(byte_of).flat_map(stuffed).collect()
}

fn restart_interval(mcus: u8) -> Vec<u8> {
    segment(0xdd, &[0, mcus])
}

/// A grey image of one row of blocks, with all tables.
fn gray(marker: u8, blocks: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let start = [vec![0xff, 0xd8], quantization(0, 1), tables(), frame(marker, 8 * blocks, 8, &[component(1, 1, 1)])];
    [start.concat(), parts.concat()].concat()
}

fn sequential_scan() -> Vec<u8> {
    scan(&[1], (0, 63), 0)
}

fn coefficients_of(jpeg: &[u8]) -> Coefficients {
    read(jpeg, None).expect("a jpeg")
}

/// The first coefficients of each block of a component, in natural order.
fn starts<const COUNT: usize>(coefficients: &Coefficients, component: usize) -> Vec<[i16; COUNT]> {
    let blocks = &coefficients.planes[component].blocks;
    blocks.iter().map(|block| std::array::from_fn(|index| block[index])).collect()
}

fn error_of(jpeg: &[u8]) -> String {
    read(jpeg, None).expect_err("a broken jpeg").to_string()
}

#[test]
fn dc_coefficients_are_differences_and_ac_coefficients_runs() {
    let data = bits("10 10  110 0 0  10   10 11  10   0  10");
    let coefficients = coefficients_of(&gray(SOF0, 3, &[sequential_scan(), data, END.to_vec()]));
    assert_eq!(starts::<2>(&coefficients, 0), [[2, 0], [5, 0], [5, 0]]);
    // Sixteen zeros, then a coefficient: the 17th in the order of coding.
    assert_eq!(coefficients.planes[0].blocks[0][usize::from(ZIGZAG[17])], -1);
    assert_eq!(coefficients.warnings, Warnings::default());
}

#[test]
fn data_that_end_too_early_are_zero_bits_and_then_grey() {
    let coefficients = coefficients_of(&gray(SOF0, 3, &[sequential_scan(), bits(BLOCK), END.to_vec()]));
    assert_eq!(starts::<3>(&coefficients, 0), [[2, 1, 0], [2, -1, -1], [0, 0, 0]]);
    assert_eq!(coefficients.warnings.count, 1);
}

#[test]
fn a_file_that_breaks_off_is_refused_unless_it_may() {
    let jpeg = gray(SOF0, 2, &[sequential_scan(), bits(BLOCK)]);
    assert_eq!(read(&jpeg, None).expect_err("no end"), Error::Truncated { bytes: jpeg.len() });
    let coefficients = read_partly(&jpeg, None).expect("a part");
    assert!(coefficients.is_truncated);
    assert_eq!(starts::<2>(&coefficients, 0), [[2, 1], [2, -1]]);
    assert_eq!(coefficients.warnings.count, 2);
}

#[test]
fn a_missing_end_marker_is_a_file_that_breaks_off() {
    let whole = gray(SOF0, 1, &[sequential_scan(), bits(BLOCK), END.to_vec()]);
    assert!(read(&whole, None).is_ok());
    assert_eq!(read(&whole[..whole.len() - 2], None).expect_err("no end"), Error::Truncated { bytes: whole.len() - 2 });
}

#[test]
fn a_missing_restart_interval_is_zero_bits_and_the_next_is_decoded() {
    let whole = [bits(BLOCK), vec![0xff, 0xd0], bits(BLOCK), vec![0xff, 0xd1], bits(BLOCK)].concat();
    let part = [bits(BLOCK), vec![0xff, 0xd1], bits(BLOCK)].concat();
    let decode = |data| coefficients_of(&gray(SOF0, 3, &[restart_interval(1), sequential_scan(), data, END.to_vec()]));
    assert_eq!(starts::<2>(&decode(whole), 0), [[2, 1]; 3]);
    let coefficients = decode(part);
    assert_eq!(starts::<2>(&coefficients, 0), [[2, 1], [0, -1], [2, 1]]);
    let warning = "found marker d1 instead of restart marker 0";
    assert_eq!(coefficients.warnings, Warnings { count: 2, first: Some(warning.to_owned()) });
}

#[test]
fn a_block_with_several_ff_before_a_zero_is_decoded_twice_far_from_the_end() {
    // The end of the first block, then ff; read hastily, zeros follow, which are coefficients of -1.
    let data = [bits("10 10 0 1 0 1"), vec![0xff, 0xff, 0x00]].concat();
    let decode = |behind: usize| {
        let jpeg = gray(SOF0, 1, &[sequential_scan(), data.clone(), END.to_vec(), vec![0; behind]]);
        starts::<4>(&coefficients_of(&jpeg), 0)
    };
    let (near, far) = (decode(0), decode(600));
    assert_eq!(near[0][..2], [2, 1]);
    assert_ne!(near, far, "what was decoded hastily is still there");
}

#[test]
fn a_bad_code_is_a_zero_and_a_warning() {
    let data = bits("10 10  1111 1111 1111 1111 1");
    let coefficients = coefficients_of(&gray(SOF0, 1, &[sequential_scan(), data, END.to_vec()]));
    assert_eq!(starts::<2>(&coefficients, 0), [[2, 0]]);
    assert_eq!(coefficients.warnings.first.as_deref(), Some("bad huffman code"));
}

#[test]
fn a_run_beyond_the_last_coefficient_ends_at_it() {
    let data = bits("0  110 110 110 11110 1   0 10");
    let coefficients = coefficients_of(&gray(SOF0, 2, &[sequential_scan(), data, END.to_vec()]));
    let mut expected = [[0; 64]; 2];
    expected[0][63] = 1;
    assert_eq!(coefficients.planes[0].blocks, expected);
    assert_eq!(coefficients.warnings.count, 0);
}

#[test]
fn components_alone_leave_out_the_blocks_that_complete_an_mcu() {
    let components = [component(1, 2, 2), component(2, 1, 1)];
    let parts = [
        frame(SOF0, 8, 8, &components),
        scan(&[1], (0, 63), 0),
        bits(BLOCK),
        quantization(0, 9),
        scan(&[2], (0, 63), 0),
        bits(BLOCK),
        END.to_vec(),
    ];
    let jpeg = [vec![0xff, 0xd8], quantization(0, 1), tables(), parts.concat()].concat();
    let coefficients = coefficients_of(&jpeg);
    assert_eq!(starts::<2>(&coefficients, 0), [[2, 1], [0, 0], [0, 0], [0, 0]]);
    assert_eq!(starts::<2>(&coefficients, 1), [[2, 1]]);
    let tables = [0, 1].map(|number: usize| coefficients.planes[number].quantization[0]);
    assert_eq!(tables, [1, 9], "each as it was at the component's first scan");
}

#[test]
fn interleaved_components_have_whole_mcus() {
    let components = [component(1, 2, 1), component(2, 1, 1)];
    let data = bits("10 10 10  0 10  10 11 10");
    let parts = [frame(SOF0, 8, 8, &components), scan(&[1, 2], (0, 63), 0), data, END.to_vec()];
    let jpeg = [vec![0xff, 0xd8], quantization(0, 1), tables(), parts.concat()].concat();
    let coefficients = coefficients_of(&jpeg);
    assert_eq!((starts::<1>(&coefficients, 0), starts::<1>(&coefficients, 1)), (vec![[2], [2]], vec![[3]]));
}

#[test]
fn progressive_scans_complete_each_other() {
    let parts = [
        scan(&[1], (0, 0), 0x01),
        bits("10 10   0   10 01"),
        scan(&[1], (1, 63), 0x01),
        // The second and the third block have nothing.
        bits("0 1 10   1110 0"),
        scan(&[1], (0, 0), 0x10),
        bits("1 0 1"),
        scan(&[1], (1, 63), 0x10),
        // One more bit for the first coefficient, then a new one behind it; in the third block, a new first one.
        bits("0 1 1  10   10   0 0 10"),
        END.to_vec(),
    ];
    let coefficients = coefficients_of(&gray(SOF2, 3, &parts));
    let ac = |block: usize| [1, 2].map(|place: usize| coefficients.planes[0].blocks[block][usize::from(ZIGZAG[place])]);
    assert_eq!(starts::<1>(&coefficients, 0), [[5], [4], [1]]);
    assert_eq!([ac(0), ac(1), ac(2)], [[3, 1], [0, 0], [-1, 0]]);
    assert_eq!(coefficients.warnings, Warnings::default());
}

/// Made by jpegtran of the same file.
#[test]
fn arithmetic_coding_gives_the_coefficients_that_huffman_coding_gives() {
    let data = bits("10 10  110 0 0  10   10 11  10   0  11110 1  10");
    let huffman = coefficients_of(&gray(SOF0, 3, &[sequential_scan(), data, END.to_vec()]));
    let data = [0xbc, 0x6a, 0x44, 0xd6, 0x4f, 0x80].to_vec();
    let sequential = coefficients_of(&gray(0xc9, 3, &[sequential_scan(), data, END.to_vec()]));
    let scans = [
        (scan(&[1], (0, 0), 0x01), &[0xb3, 0x80][..]),
        (scan(&[1], (1, 5), 0x02), &[0xc0]),
        (scan(&[1], (6, 63), 0x02), &[0xc0]),
        (scan(&[1], (1, 63), 0x21), &[0xc0]),
        (scan(&[1], (0, 0), 0x10), &[]),
        (scan(&[1], (1, 63), 0x10), &[0x4b, 0xc6, 0xb1, 0xf4]),
    ]
    .map(|(header, data)| [&header, data].concat());
    let progressive = coefficients_of(&gray(0xca, 3, &[scans.concat(), END.to_vec()]));
    assert_eq!(huffman.planes[0].blocks[2][usize::from(ZIGZAG[16])], 1);
    for coefficients in [&sequential, &progressive] {
        assert_eq!(coefficients.planes[0].blocks, huffman.planes[0].blocks);
        assert_eq!(coefficients.warnings, Warnings::default());
    }
}

#[test]
fn smoothing_estimates_only_what_no_scan_told() {
    let dc = [scan(&[1], (0, 0), 0), bits("10 10  10 11  10 11")].concat();
    let ac = [scan(&[1], (1, 63), 0), bits("10 10 10")].concat();
    let mut part = coefficients_of(&gray(SOF2, 3, &[dc.clone(), END.to_vec()]));
    let mut whole = coefficients_of(&gray(SOF2, 3, &[dc, ac, END.to_vec()]));
    assert_eq!(starts::<2>(&part, 0), [[2, 0], [5, 0], [8, 0]]);
    part.smooth();
    whole.smooth();
    assert_eq!(starts::<2>(&part, 0), [[2, 0], [5, -1], [8, 0]]);
    assert_eq!(starts::<2>(&whole, 0), [[2, 0], [5, 0], [8, 0]]);
}

#[test]
fn what_is_missing_is_named() {
    let quantization_of = |number| Component { quantization: number, ..component(1, 1, 1) };
    let jpeg = |parts: &[Vec<u8>]| [vec![0xff, 0xd8], parts.concat()].concat();
    let sequential = jpeg(&[frame(SOF0, 8, 8, &[quantization_of(2)]), sequential_scan()]);
    assert_eq!(error_of(&sequential), "broken: quantisation table 2 is used, but never given");
    let progressive = jpeg(&[quantization(0, 1), frame(SOF2, 8, 8, &[component(1, 1, 1)]), scan(&[1], (0, 0), 0)]);
    assert_eq!(error_of(&progressive), "broken: dc huffman table 0 is used, but never given");
}

#[test]
fn the_usual_tables_stand_in_for_missing_ones_if_sequential() {
    let parts = [quantization(0, 1), frame(SOF0, 8, 8, &[component(1, 1, 1)]), sequential_scan()];
    // Size 2 is 011, the end 1010.
    let jpeg = [vec![0xff, 0xd8], parts.concat(), bits("011 11 1010"), END.to_vec()].concat();
    assert_eq!(starts::<1>(&coefficients_of(&jpeg), 0), [[3]]);
}

#[test]
fn any_bytes_are_decoded_or_refused() {
    let sequential = gray(SOF0, 3, &[restart_interval(2), sequential_scan(), bits(&BLOCK.repeat(3)), END.to_vec()]);
    let scans =
        [scan(&[1], (0, 0), 0x01), vec![0x55; 9], scan(&[1], (1, 9), 0), vec![0xa6; 9], scan(&[1], (0, 0), 0x10)];
    let progressive = gray(SOF2, 3, &[scans.concat(), vec![0x0f], scan(&[1], (1, 9), 0x10), vec![0x33; 9]]);
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for round in 0..4000 {
        let (file, arithmetic) = if round % 2 == 0 { (&sequential, 0xc9) } else { (&progressive, 0xca) };
        let mut jpeg = file.clone();
        let place_of = |marker: u8| file.windows(2).position(|pair| pair == [0xff, marker]);
        if let Some(frame) = place_of(SOF0).or(place_of(SOF2))
            && random(2) == 0
        {
            jpeg[frame + 1] = arithmetic;
        }
        // Behind the frame, so that the image stays small.
        let start = place_of(0xda).expect("a scan");
        for _ in 0..random(4) {
            let place = start + random(jpeg.len() - start);
            jpeg[place] = random(256) as u8;
        }
        jpeg.truncate(jpeg.len() - random(8));
        if let Ok(mut coefficients) = read_partly(&jpeg, None) {
            coefficients.smooth();
        }
    }
}
