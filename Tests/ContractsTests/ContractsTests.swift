import Contracts
import Testing

/// The tree of a text, or the reason there is none.
private func read(_ text: String, _ limits: JSONLimits = JSONLimits()) -> Result<JSONValue, JSONError> {
    Result { () throws(JSONError) in try JSONValue(text.utf8Span.span, limits: limits) }
}

private func reason(_ text: String, _ limits: JSONLimits = JSONLimits()) -> JSONError.Reason? {
    if case .failure(let error) = read(text, limits) { return error.reason }
    return nil
}

private func reason(_ bytes: [UInt8]) -> JSONError.Reason? {
    do throws(JSONError) {
        _ = try JSONTape(bytes.span)
        return nil
    } catch {
        return error.reason
    }
}

private func written(_ value: JSONValue) -> [UInt8] {
    var json = JSONWriter<[UInt8]>([])
    value.write(to: &json)
    return json.sink
}

@Suite struct JSONSyntaxTests {
    @Test func readsEveryKind() throws {
        let value = try read(#" { "a" : [ 1 , -2.5e+3 , true , false , null , "x" , { } , [ ] ] } "#).get()
        #expect(
            value
                == .object([
                    .init(
                        "a",
                        .array([
                            .number("1"), .number("-2.5e+3"), .bool(true), .bool(false), .null, .string("x"),
                            .object([]), .array([]),
                        ]))
                ]))
        #expect(try read("0").get() == .number("0"))
        #expect(try read("\"\"").get() == .string(""))
    }

    @Test(arguments: [
        ("", .empty), (" \n", .empty), ("{", .unexpectedEnd), ("[1,", .unexpectedEnd), ("\"abc", .unexpectedEnd),
        ("{\"a\"", .unexpectedEnd), ("{\"a\":", .unexpectedEnd), ("[1,]", .unexpectedByte), ("{,}", .unexpectedByte),
        ("{\"a\":1,}", .unexpectedByte), ("{\"a\" 1}", .unexpectedByte), ("{1:2}", .unexpectedByte),
        ("[1 2]", .unexpectedByte), ("[1}", .unexpectedByte), ("{\"a\":1]", .unexpectedByte), ("]", .unexpectedByte),
        ("tru", .invalidLiteral), ("nulL", .invalidLiteral), ("True", .unexpectedByte), ("NaN", .unexpectedByte),
        ("01", .invalidNumber), ("-", .invalidNumber), ("-01", .invalidNumber), ("1.", .invalidNumber),
        (".5", .unexpectedByte), ("1e", .invalidNumber), ("1e+", .invalidNumber), ("+1", .unexpectedByte),
        ("1 1", .trailingBytes), ("{}x", .trailingBytes), ("1,", .trailingBytes), ("truex", .trailingBytes),
        ("'a'", .unexpectedByte), ("// c\n1", .unexpectedByte), ("\u{FEFF}1", .unexpectedByte),
        ("\u{A0}1", .unexpectedByte), ("\"\t\"", .controlCharacter), ("\"\0\"", .controlCharacter),
        ("\"\\x\"", .invalidEscape), ("\"\\u12g4\"", .invalidEscape), ("\"\\u12", .invalidEscape),
        ("\"\\ud800\"", .loneSurrogate), ("\"\\udc00\"", .loneSurrogate), ("\"\\ud800\\u0041\"", .loneSurrogate),
        ("\"\\ud800\\ud800\"", .loneSurrogate),
    ] as [(String, JSONError.Reason)])
    func refuses(_ text: String, _ expected: JSONError.Reason) {
        #expect(reason(text) == expected, "\(text)")
    }

    @Test(arguments: [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
        [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x82], [0xC3],
    ] as [[UInt8]])
    func refusesInvalidUTF8(_ bytes: [UInt8]) {
        #expect(reason([0x22] + bytes + [0x22]) == .invalidUTF8)
        let isUTF8 = JSONString.isUTF8(bytes.span)
        #expect(!isUTF8)
    }

    @Test func acceptsEveryScalarAtTheEdges() throws {
        for scalar in ["\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}"] {
            #expect(try read("\"\(scalar)\"").get() == .string(scalar))
        }
    }

    @Test func unescapes() throws {
        let value = try read(#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00""#).get()
        #expect(value == .string("\"\\/\u{8}\u{C}\n\r\tA\u{E9}\u{20AC}\u{1F600}"))
    }

    @Test func refusesNamesUsedTwice() {
        #expect(reason(#"{"a":1,"a":1}"#) == .duplicateName)
        #expect(reason(#"{"a":1,"\u0061":1}"#) == .duplicateName)
        #expect(reason(#"{"x":[{"a":1,"b":{},"a":1}]}"#) == .duplicateName)
        #expect(reason(#"{"a":{"a":1},"b":{"a":1}}"#) == nil)
        let many = (0..<500).map { "\"n\($0)\":[\($0)]" }
        #expect(reason("{" + many.joined(separator: ",") + "}") == nil)
        #expect(reason("{" + (many + [#""\u006e17":0"#]).joined(separator: ",") + "}") == .duplicateName)
    }

    @Test func errorsSayWhere() {
        func place(_ text: String) -> String {
            if case .failure(let error) = read(text) { return "\(error.offset) \(error.pointer)" }
            return "none"
        }
        #expect(place(#"{"a":{"b/c~":[1,{"d":x}]}}"#) == "21 /a/b~1c~0/1/d")
        #expect(place(#"[[],[1,2 3]]"#) == "9 /1/2")
        #expect(place(#"{"a":1,"a":2}"#) == "7 /a")
        #expect(place("nope") == "0 ")
        #expect(place("1 2") == "2 ")
    }

    @Test func boundsDepthSizeAndCount() {
        func nested(_ n: Int) -> String { String(repeating: "[", count: n) + String(repeating: "]", count: n) }
        #expect(reason(nested(64)) == nil)
        #expect(reason(nested(65)) == .tooDeep)
        #expect(reason(String(repeating: "{\"a\":", count: 100_000)) == .tooDeep)
        #expect(reason("[1,2,3]", JSONLimits(values: 4)) == nil)
        #expect(reason("[1,2,3]", JSONLimits(values: 3)) == .tooManyValues)
        #expect(reason("[1,2,3]", JSONLimits(bytes: 6)) == .tooLarge)
    }
}

@Suite struct JSONNumberTests {
    @Test(arguments: [
        ("0", 0), ("-0", 0), ("7", 7), ("-7", -7), ("1.0", 1), ("1e2", 100), ("1.50e1", 15), ("120e-1", 12),
        ("0e999999999", 0), ("0.000", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
        ("9223372036854775808", nil), ("-9223372036854775809", nil), ("18446744073709551616", nil), ("1.5", nil),
        ("1e-1", nil), ("1e19", nil), ("9e18", 9_000_000_000_000_000_000), ("1e999999999999999999999", nil),
        ("1.000000000000000000000000000000", 1), ("100000000000000000000e-20", 1),
        ("0.00000000000000000000000000001e29", 1),
    ] as [(String, Int64?)])
    func integersAreExact(_ text: String, _ expected: Int64?) {
        let (isNumber, value) = (JSONNumber.isNumber(text.utf8Span.span), JSONNumber.integer(text.utf8Span.span))
        #expect(isNumber)
        #expect(value == expected, "\(text)")
    }

    @Test func integersMayBeStrings() throws {
        let text = #"["12"," 12","12 ","0x1","1.5","",true]"#
        let tape = try JSONTape(text.utf8Span.span)
        let found = (1..<8).map { tape.integer($0, in: text.utf8Span.span) }
        #expect(found == [12, nil, nil, nil, nil, nil, nil])
    }

    @Test func writesAndReadsEveryWidth() throws {
        for value in [0, 9, 10, -1, 12345, Int64.max, .min] {
            var json = JSONWriter<[UInt8]>([])
            json.integer(value)
            #expect(String(decoding: json.sink, as: UTF8.self) == "\(value)")
            let back = JSONNumber.integer(json.sink.span)
            #expect(back == value)
        }
        var json = JSONWriter<[UInt8]>([])
        json.integer(UInt8.max)
        #expect(json.sink == Array("255".utf8))
    }
}

@Suite struct JSONPropertyTests {
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private func text(_ dice: inout Dice) -> String {
        let alphabet: [Unicode.Scalar] = ["a", "\"", "\\", "/", "\u{0}", "\u{1F}", "\n", "é", "\u{2028}", "\u{1F600}", "~"]
        var result = ""
        for _ in 0..<Int.random(in: 0...6, using: &dice) {
            result.unicodeScalars.append(alphabet.randomElement(using: &dice)!)
        }
        return result
    }

    private func value(_ dice: inout Dice, depth: Int = 0) -> JSONValue {
        switch Int.random(in: 0..<(depth < 5 ? 7 : 5), using: &dice) {
        case 0: return .null
        case 1: return .bool(.random(using: &dice))
        case 2: return .number(["0", "-1", "2.50", "1e-7", "123456789012345678901234567890"].randomElement(using: &dice)!)
        case 3, 4: return .string(text(&dice))
        case 5:
            return .array((0..<Int.random(in: 0...4, using: &dice)).map { _ in value(&dice, depth: depth + 1) })
        default:
            // The index keeps the names apart.
            return .object(
                (0..<Int.random(in: 0...20, using: &dice)).map {
                    .init("\($0)" + text(&dice), value(&dice, depth: depth + 1))
                })
        }
    }

    @Test func whatIsWrittenReadsBackEqual() throws {
        for seed in 0..<500 {
            var dice = Dice(state: UInt64(seed))
            let tree = value(&dice)
            let bytes = written(tree)
            let back = try JSONValue(bytes.span)
            #expect(back == tree)
        }
    }

    /// A mutated text is read or refused, never more; what is read survives a round trip, and an
    /// error lies inside the text.
    @Test func mutationsNeverCrash() throws {
        var dice = Dice(state: 42)
        let splices: [[UInt8]] = ["\"", "\\", "\\u", "\\ud83d", "{", "}", "[", "]", ",", ":", "-", "e", ".", "0", "\0"]
            .map { Array($0.utf8) } + [[0xFF], [0xC3], [0xED, 0xA0], [0xF0, 0x9F]]
        var read = 0
        for _ in 0..<20_000 {
            var bytes = written(value(&dice))
            for _ in 0..<Int.random(in: 0...3, using: &dice) {
                let at = Int.random(in: 0...bytes.count, using: &dice)
                switch Int.random(in: 0..<4, using: &dice) {
                case 0 where at < bytes.count: bytes[at] = .random(in: 0...255, using: &dice)
                case 1 where at < bytes.count: bytes.remove(at: at)
                case 2: bytes.removeLast(bytes.count - at)
                default: bytes.insert(contentsOf: splices.randomElement(using: &dice)!, at: at)
                }
            }
            do throws(JSONError) {
                let tree = try JSONValue(bytes.span)
                read += 1
                let again = written(tree)
                let back = try JSONValue(again.span)
                #expect(back == tree)
            } catch {
                #expect(error.offset >= 0 && error.offset <= bytes.count)
            }
        }
        #expect(read > 1_000 && read < 19_000)
    }
}

@Suite struct JSONTapeTests {
    @Test func findsMembersByUnescapedName() throws {
        let text = #"{"x":{"id":1},"i\u0064":[1,[2],{}],"z":"q\n"}"#
        let span = text.utf8Span.span
        let tape = try JSONTape(span)
        let (id, z) = (tape.member("id", of: 0, in: span) ?? 0, tape.member("z", of: 0, in: span) ?? 0)
        let end = tape.next(id)
        #expect(tape[id].kind == .array)
        #expect(end == id + 5)
        let decoded = tape.string(z, in: span)
        #expect(decoded == Array("q\n".utf8))
        let (absent, inArray) = (tape.member("absent", of: 0, in: span), tape.member("id", of: id, in: span))
        #expect(absent == nil && inArray == nil)
    }
}
