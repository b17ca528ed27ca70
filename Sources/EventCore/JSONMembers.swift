import Contracts

/// An object of a stored payload or snapshot, to be read member by member. Each function answers nil for what is
/// absent or of another kind; members that nobody asks for are ignored, as a later minor version may add some.
struct JSONMembers {
    private let tape: JSONTape
    private let text: [UInt8]
    private let place: Int

    /// Nil when it is no JSON object.
    init?(_ text: [UInt8]) {
        guard let tape = try? JSONTape(text.span), tape[0].kind == .object else { return nil }
        self.init(tape, text, 0)
    }

    private init(_ tape: JSONTape, _ text: [UInt8], _ place: Int) {
        self.tape = tape
        self.text = text
        self.place = place
    }

    func has(_ name: StaticString) -> Bool { find(name) != nil }

    func string(_ name: StaticString) -> String? { find(name).flatMap { string($0) } }

    func identifier(_ name: StaticString) -> Identifier? {
        guard let at = find(name), tape[at].kind == .string else { return nil }
        return Identifier(tape.string(at, in: text.span))
    }

    func int64(_ name: StaticString) -> Int64? { find(name).flatMap { tape.integer($0, in: text.span) } }
    func int32(_ name: StaticString) -> Int32? { int64(name).flatMap { Int32(exactly: $0) } }

    func bool(_ name: StaticString) -> Bool? {
        switch find(name).map({ tape[$0].kind }) {
        case .true: true
        case .false: false
        default: nil
        }
    }

    func timestamp(_ name: StaticString) -> Timestamp? {
        string(name).flatMap { Timestamp($0.utf8Span.span) }
    }

    func object(_ name: StaticString) -> JSONMembers? {
        guard let at = find(name), tape[at].kind == .object else { return nil }
        return JSONMembers(tape, text, at)
    }

    /// Nil also when one of the array's elements is no object.
    func objects(_ name: StaticString) -> [JSONMembers]? {
        elements(name) { tape[$0].kind == .object ? JSONMembers(tape, text, $0) : nil }
    }

    /// Nil also when one of the array's elements is no string.
    func strings(_ name: StaticString) -> [String]? { elements(name) { string($0) } }

    private func find(_ name: StaticString) -> Int? { tape.member(name, of: place, in: text.span) }

    private func string(_ at: Int) -> String? {
        tape[at].kind == .string ? String(decoding: tape.string(at, in: text.span), as: UTF8.self) : nil
    }

    private func elements<Element>(_ name: StaticString, _ read: (Int) -> Element?) -> [Element]? {
        guard let array = find(name), tape[array].kind == .array else { return nil }
        var elements: [Element] = []
        var at = array + 1
        while at < tape.next(array) {
            guard let element = read(at) else { return nil }
            elements.append(element)
            at = tape.next(at)
        }
        return elements
    }
}
