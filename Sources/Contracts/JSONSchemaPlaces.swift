import Exchanges

/// Where the schemas of a document are that have names: by `$id`, `$anchor` and `$dynamicAnchor`. Only what stands where
/// a schema may stand has one: a member `$id` in `const` is a value.
struct JSONSchemaPlaces {
    typealias Malformed = JSONSchema.Malformed

    /// A schema with an `$id`, or the document: what its references are relative to.
    struct Resource {
        /// The schema's place on the tape.
        var place: Int
        var uri: String
        var anchors: [String: Int] = [:]
        /// Those of `anchors` that are dynamic.
        var dynamic: Set<String> = []
    }

    /// In the order of the document.
    private(set) var resources: [Resource]
    private let tape: JSONTape
    private static let mostResources = 1000

    init(_ tape: JSONTape, _ text: Span<UInt8>) throws(Malformed) {
        self.tape = tape
        resources = [Resource(place: 0, uri: "")]
        try survey(0, in: 0, text)
    }

    /// Which resource the place is in: the innermost.
    func resource(of place: Int) -> Int {
        resources.lastIndex { $0.place <= place && place < tape.next($0.place) } ?? 0
    }

    /// What `reference` leads to from a place; nil when it is not in this document.
    /// - Returns: also the name, when it is that of a dynamic anchor.
    func target(of reference: String, from place: Int, _ text: Span<UInt8>) -> (place: Int, dynamic: String?)? {
        let (uri, fragment) = URIText.split(reference)
        var resource = resource(of: place)
        if !uri.isEmpty {
            let wanted = URIText.resolved(uri, from: resources[resource].uri)
            guard let found = resources.firstIndex(where: { $0.uri == wanted }) else { return nil }
            resource = found
        }
        guard let fragment, !fragment.isEmpty else { return (resources[resource].place, nil) }
        guard let decoded = URIText.decoded(fragment) else { return nil }
        if decoded.hasPrefix("/") { return at(pointer: decoded, from: resources[resource].place, text).map { ($0, nil) } }
        return resources[resource].anchors[decoded].map { ($0, resources[resource].dynamic.contains(decoded) ? decoded : nil) }
    }

    private func at(pointer: String, from place: Int, _ text: Span<UInt8>) -> Int? {
        var at = place
        for step in pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let name = Array(Self.replaced(Self.replaced(String(step), "~1", "/"), "~0", "~").utf8)
            var child = at + 1
            var index = 0
            var found: Int?
            switch tape[at].kind {
            case .object:
                while child < tape.next(at), found == nil {
                    if tape.string(child, in: text) == name { found = child + 1 }
                    child = tape.next(child + 1)
                }
            case .array:
                while child < tape.next(at), found == nil {
                    if Array(String(index).utf8) == name { found = child }
                    child = tape.next(child)
                    index += 1
                }
            default: return nil
            }
            guard let found else { return nil }
            at = found
        }
        return at
    }

    private static func replaced(_ text: String, _ old: String, _ new: String) -> String {
        text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }

    // MARK: - The survey

    /// Goes as deep as the document, which the tape has bounded.
    private mutating func survey(_ at: Int, in outer: Int, _ text: Span<UInt8>) throws(Malformed) {
        guard tape[at].kind == .object else { return }
        var resource = outer
        if let id = tape.member("$id", of: at, in: text) {
            let (uri, fragment) = URIText.split(try self.text(id, text))
            guard fragment?.isEmpty != false else { throw malformed("an '$id' has no fragment: '$anchor' names places", id) }
            let whole = URIText.resolved(uri, from: resources[outer].uri)
            if at == 0 {
                resources[0].uri = whole
            } else {
                guard !resources.contains(where: { $0.uri == whole }) else { throw malformed("another schema has this '$id'", id) }
                guard resources.count < Self.mostResources else { throw malformed("more than \(Self.mostResources) schemas with an '$id'", id) }
                resource = resources.count
                resources.append(Resource(place: at, uri: whole))
            }
        }
        for (keyword, isDynamic) in [("$anchor", false), ("$dynamicAnchor", true)] as [(StaticString, Bool)] {
            guard let value = tape.member(keyword, of: at, in: text) else { continue }
            let name = try self.text(value, text)
            guard name.utf8.first.map({ $0.isLetter || $0 == UInt8(ascii: "_") }) == true,
                name.utf8.allSatisfy({ $0.isLetter || $0.isDigit || "-_.".utf8.contains($0) })
            else { throw malformed("an anchor begins with a letter or _, and has letters, digits, - _ and .", value) }
            guard resources[resource].anchors[name, default: at] == at else { throw malformed("another schema has this anchor", value) }
            resources[resource].anchors[name] = at
            if isDynamic { resources[resource].dynamic.insert(name) }
        }
        var name = at + 1
        while name < tape.next(at) {
            switch JSONSchemaCompiler.shape(of: String(decoding: tape.string(name, in: text), as: UTF8.self)) {
            case .schema: try survey(name + 1, in: resource, text)
            case .list where tape[name + 1].kind == .array:
                var item = name + 2
                while item < tape.next(name + 1) {
                    try survey(item, in: resource, text)
                    item = tape.next(item)
                }
            case .map where tape[name + 1].kind == .object:
                var member = name + 2
                while member < tape.next(name + 1) {
                    try survey(member + 1, in: resource, text)
                    member = tape.next(member + 1)
                }
            default: break
            }
            name = tape.next(name + 1)
        }
    }

    private func text(_ at: Int, _ text: Span<UInt8>) throws(Malformed) -> String {
        guard tape[at].kind == .string else { throw malformed("must be text", at) }
        return String(decoding: tape.string(at, in: text), as: UTF8.self)
    }

    private func malformed(_ message: String, _ at: Int) -> Malformed {
        Malformed(message, at: max(0, Int(tape[at].text.start) - (tape[at].kind == .string ? 1 : 0)))
    }
}
