//! What could stand where the cursor is, judged by the words before it.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::super::lex::{Lexed, Placed};

/// What could stand at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing that is known.
    Nothing,
    /// The first word of a statement.
    Beginning,
    /// A file or directory, inside quotes.
    Path {
        /// Whether it may be the name of a model, too.
        is_model: bool,
    },
    /// A model.
    Model,
    /// A step of a model.
    Step,
    /// An option of the session.
    Setting,
    /// What `SHOW` shows.
    Shown,
    /// A word behind `STORED AS`.
    Format {
        /// Of a `COPY`, not of a table.
        is_copy: bool,
    },
    /// A name inside `OPTIONS (`.
    TableOption {
        /// What `STORED AS` says, in upper case.
        format: String,
        /// Of a `COPY`, not of a table.
        is_copy: bool,
    },
    /// A table or a table function.
    Table,
    /// What is behind `name.`
    Member(String),
    /// A part of an expression, or a keyword.
    Expression {
        /// The function whose arguments these are.
        call: Option<String>,
    },
}

/// What is wanted, and where the word begins that is being typed.
pub(super) fn wanted(before: &str) -> (Wanted, usize) {
    let lexed = Lexed::new(before);
    let end = before.len();
    if lexed.is_in_comment(before, end) {
        return (Wanted::Nothing, end);
    }
    if let Some(open) = lexed.open {
        let is_text = before[open..].starts_with('\'');
        let is_model = takes_a_model(&statement(&lexed));
        return if is_text { (Wanted::Path { is_model }, open + 1) } else { (Wanted::Nothing, end) };
    }
    let words = statement(&lexed);
    let (words, chain) = words.split_at(words.len() - typed(&words, end));
    let start = chain.first().map_or(end, |(_, place)| place.start);
    let keywords: Vec<Keyword> = words.iter().map(|(token, _)| keyword(token)).collect();
    match keywords.as_slice() {
        [] if chain.len() < 2 => return (Wanted::Beginning, start),
        [Keyword::SET | Keyword::RESET] => return (Wanted::Setting, start),
        [Keyword::SHOW] => return (Wanted::Shown, start),
        _ => {}
    }
    if let Some(wanted) = of_models(words).filter(|_| chain.len() < 2) {
        return (wanted, start);
    }
    if let [.., (Token::Number(..), _)] = chain {
        return (Wanted::Nothing, end);
    }
    let last_start = match chain {
        [.., (Token::Period, _)] => end,
        [.., (_, place)] => place.start,
        [] => end,
    };
    if chain.len() > 1 {
        let qualifier = &before[start..last_start];
        let qualifier = qualifier.trim_end_matches('.').to_string();
        return (Wanted::Member(qualifier), last_start);
    }
    (by_words(words, &keywords), start)
}

/// The words of the statement that the text ends in.
fn statement(lexed: &Lexed) -> Vec<&Placed> {
    let mut words: Vec<&Placed> = Vec::new();
    for word in lexed.words() {
        match word.0 {
            Token::SemiColon => words.clear(),
            _ => words.push(word),
        }
    }
    words
}

/// How many words make up what is being typed: names and the dots between them, up to the cursor.
fn typed(words: &[&Placed], end: usize) -> usize {
    let (mut count, mut end) = (0, end);
    for (token, place) in words.iter().rev() {
        let is_part = match token {
            Token::Word(_) | Token::Number(..) => count == 0 || words[words.len() - count].0 == Token::Period,
            Token::Period => count == 0 || !matches!(words[words.len() - count].0, Token::Period),
            _ => false,
        };
        if !is_part || place.end != end {
            break;
        }
        (count, end) = (count + 1, place.start);
    }
    count
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// Functions whose first argument is the name of a model.
pub(super) const OF_MODELS: &[&str] = &["model", "predict", "predict_probabilities"];

/// Whether the name of a model comes next, in quotes.
fn takes_a_model(words: &[&Placed]) -> bool {
    let [.., (name, _), (Token::LParen, _)] = words else { return false };
    OF_MODELS.contains(&unquoted(name).as_str())
}

/// A word in lower case; nothing for what is none.
fn unquoted(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        _ => String::new(),
    }
}

/// What comes next in a statement about models, as far as only those have it.
fn of_models(words: &[&Placed]) -> Option<Wanted> {
    let texts: Vec<String> = words.iter().map(|(token, _)| unquoted(token)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let model = texts.iter().take(5).position(|text| *text == "model")?;
    let (before, behind) = (&texts[..model], &texts[model + 1..]);
    match (before, behind) {
        (["drop"], [] | ["if", "exists"]) | (["describe" | "desc" | "evaluate"], []) => Some(Wanted::Model),
        (["create", "or", "replace"] | ["create", "or", "replace", "external"], []) => Some(Wanted::Model),
        (["create"] | ["create", "external"], [] | ["if", "not", "exists"]) => Some(Wanted::Nothing),
        (["create", ..], behind) if behind.contains(&"using") && !behind.contains(&"as") => {
            let is_step = match words.last()?.0 {
                Token::Pipe => true,
                Token::LParen => texts.get(texts.len() - 2) == Some(&"one_vs_rest"),
                _ => behind.last() == Some(&"using"),
            };
            is_step.then_some(Wanted::Step)
        }
        _ => None,
    }
}

/// The clause words that say what a comma separates.
const CLAUSES: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::ON,
    Keyword::BY,
    Keyword::HAVING,
    Keyword::SET,
    Keyword::VALUES,
];

fn by_words(words: &[&Placed], keywords: &[Keyword]) -> Wanted {
    let is_copy = keywords.first() == Some(&Keyword::COPY);
    let open = innermost_open(words);
    if let [.., Keyword::STORED, Keyword::AS] = keywords {
        return Wanted::Format { is_copy };
    }
    let is_behind = |index: usize| matches!(words[index].0, Token::LParen | Token::Comma);
    if open.is_some_and(|open| open > 0 && keywords[open - 1] == Keyword::OPTIONS) {
        let stored = keywords.windows(2).position(|pair| pair == [Keyword::STORED, Keyword::AS]);
        let format = stored.and_then(|stored| words.get(stored + 2)).map(|(token, _)| token.to_string());
        return match format {
            Some(format) if is_behind(words.len() - 1) => {
                Wanted::TableOption { format: format.to_uppercase(), is_copy }
            }
            _ => Wanted::Nothing,
        };
    }
    match keywords.last() {
        Some(Keyword::FROM | Keyword::JOIN | Keyword::INTO | Keyword::UPDATE | Keyword::TABLE | Keyword::VIEW)
        | Some(Keyword::DESCRIBE | Keyword::DESC)
            if !is_ordered(keywords) && !makes_a_name(keywords) =>
        {
            return Wanted::Table;
        }
        Some(Keyword::COPY) if is_copy && keywords.len() == 1 => return Wanted::Table,
        Some(Keyword::TABLE | Keyword::VIEW | Keyword::EXISTS) if makes_a_name(keywords) => return Wanted::Nothing,
        Some(Keyword::AS | Keyword::LOCATION) => return Wanted::Nothing,
        _ => {}
    }
    let inside = open.map_or(0, |open| open + 1);
    if words.last().is_some_and(|(token, _)| *token == Token::Comma) {
        let clause = keywords[inside..].iter().rev().find(|keyword| CLAUSES.contains(keyword));
        if clause == Some(&Keyword::FROM) {
            return Wanted::Table;
        }
    }
    let call = open.and_then(|open| match &words.get(open.checked_sub(1)?)?.0 {
        Token::Word(word) if !super::super::keywords::is_known(word.keyword) => Some(word.value.to_lowercase()),
        _ => None,
    });
    // Named arguments begin behind a bracket or a comma; what is behind that is an expression.
    Wanted::Expression { call: call.filter(|_| is_behind(words.len() - 1)) }
}

/// `ORDER BY x DESC` names no table.
fn is_ordered(keywords: &[Keyword]) -> bool {
    keywords.last() == Some(&Keyword::DESC) && keywords.len() > 1
}

/// `CREATE ... TABLE` is followed by a name that isn't there yet.
fn makes_a_name(keywords: &[Keyword]) -> bool {
    keywords.first() == Some(&Keyword::CREATE)
        && !keywords.contains(&Keyword::SELECT)
        && matches!(keywords.last(), Some(Keyword::TABLE | Keyword::VIEW | Keyword::EXISTS))
}

/// The last bracket that isn't closed.
fn innermost_open(words: &[&Placed]) -> Option<usize> {
    let mut open = Vec::new();
    for (index, (token, _)) in words.iter().enumerate() {
        match token {
            Token::LParen => open.push(index),
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

/// A table that a statement names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The name as it is written, with qualifiers.
    pub(super) name: String,
    /// What the statement calls it.
    pub(super) alias: Option<String>,
}

/// The tables that the statement around the cursor names.
pub(super) fn named_tables(text: &str, at: usize) -> Vec<Named> {
    let lexed = Lexed::new(text);
    let mut words: Vec<&Placed> = Vec::new();
    for word in lexed.words() {
        match word {
            (Token::SemiColon, place) if place.end > at => break,
            (Token::SemiColon, _) => words.clear(),
            _ => words.push(word),
        }
    }
    let mut named = Vec::new();
    let mut index = 0;
    while index < words.len() {
        let introduces = matches!(
            keyword(&words[index].0),
            Keyword::FROM | Keyword::JOIN | Keyword::INTO | Keyword::UPDATE | Keyword::DESCRIBE | Keyword::COPY
        );
        index += 1;
        if !introduces {
            continue;
        }
        while let Some((table, next)) = named_table(text, &words, index) {
            named.push(table);
            index = next;
            if words.get(index).is_none_or(|(token, _)| *token != Token::Comma) {
                break;
            }
            index += 1;
        }
    }
    named
}

/// The table at a word, and the word behind it.
fn named_table(text: &str, words: &[&Placed], from: usize) -> Option<(Named, usize)> {
    let is_name = |index: usize| match words.get(index) {
        Some((Token::Word(word), _)) => !super::super::keywords::is_known(word.keyword),
        _ => false,
    };
    if !is_name(from) {
        return None;
    }
    let mut index = from + 1;
    while words.get(index).is_some_and(|(token, _)| *token == Token::Period) && is_name(index + 1) {
        index += 2;
    }
    let name = text[words[from].1.start..words[index - 1].1.end].to_string();
    if words.get(index).is_some_and(|(token, _)| *token == Token::LParen) {
        let mut depth = 0;
        while let Some((token, _)) = words.get(index) {
            depth += match token {
                Token::LParen => 1,
                Token::RParen => -1,
                _ => 0,
            };
            index += 1;
            if depth == 0 {
                break;
            }
        }
    }
    if words.get(index).is_some_and(|(token, _)| keyword(token) == Keyword::AS) {
        index += 1;
    }
    let alias = is_name(index).then(|| text[words[index].1.clone()].to_string());
    let next = index + usize::from(alias.is_some());
    Some((Named { name, alias }, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(call: Option<&str>) -> Wanted {
        Wanted::Expression { call: call.map(str::to_string) }
    }

    #[test]
    fn what_is_wanted_follows_from_the_words_before() {
        let cases = [
            ("", Wanted::Beginning, 0),
            ("SELECT 1; se", Wanted::Beginning, 10),
            ("SET pixmill.ba", Wanted::Setting, 4),
            ("RESET ", Wanted::Setting, 6),
            ("SHOW ta", Wanted::Shown, 5),
            ("SET pixmill.resume = ", expression(None), 21),
            ("SELECT * FROM fl", Wanted::Table, 14),
            ("SELECT * FROM a, fl", Wanted::Table, 17),
            ("SELECT * FROM a WHERE x IN (1, y", expression(None), 31),
            ("SELECT a, b", expression(None), 10),
            ("SELECT f.pa", Wanted::Member("f".into()), 9),
            ("SELECT a.b.", Wanted::Member("a.b".into()), 11),
            ("SELECT * FROM 'pho", Wanted::Path { is_model: false }, 15),
            ("SELECT 1 -- FROM ", Wanted::Nothing, 17),
            ("CREATE EXTERNAL TABLE fl", Wanted::Nothing, 22),
            ("DROP TABLE fl", Wanted::Table, 11),
            ("SELECT x AS y", Wanted::Nothing, 12),
            ("SELECT x FROM t ORDER BY x DESC ", expression(None), 32),
            ("COPY fl", Wanted::Table, 5),
            ("COPY t TO 'out' STORED AS tf", Wanted::Format { is_copy: true }, 26),
            ("SELECT image_resize(image, wi", expression(Some("image_resize")), 27),
            ("SELECT image_resize(image, width => x", expression(None), 36),
            ("SELECT * FROM read_images('photos', pa", expression(Some("read_images")), 36),
        ];
        for (before, expected, start) in cases {
            assert_eq!(wanted(before), (expected, start), "{before}");
        }
    }

    #[test]
    fn options_are_those_of_the_format() {
        let of = |is_copy| Wanted::TableOption { format: "TFRECORD".into(), is_copy };
        let table = "CREATE EXTERNAL TABLE t STORED AS tfrecord LOCATION 'x' OPTIONS (";
        assert_eq!(wanted(table), (of(false), table.len()));
        let copy = "COPY (SELECT f(1) FROM t) TO 'out' STORED AS TFRECORD OPTIONS (shards 4, pre";
        assert_eq!(wanted(copy), (of(true), copy.len() - 3));
        assert_eq!(wanted("COPY t TO 'out' STORED AS TFRECORD OPTIONS (shards ").0, Wanted::Nothing);
    }

    #[test]
    fn tables_of_the_statement_are_known_before_and_behind_the_cursor() {
        let table = |name: &str, alias: Option<&str>| Named { name: name.into(), alias: alias.map(str::to_string) };
        let text = "SELECT 1 FROM x; SELECT  FROM a.b AS f, read_images('p', partitions => 2) g JOIN t ON true; SELECT 1 FROM y";
        let expected = [table("a.b", Some("f")), table("read_images", Some("g")), table("t", None)];
        assert_eq!(named_tables(text, 24), expected);
        assert_eq!(named_tables("SELECT * FROM t WHERE ", 22), [table("t", None)]);
    }
}
