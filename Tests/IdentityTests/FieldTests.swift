import Exchanges
import Settings
import Testing

@testable import Identity

/// What requests say in their fields: tokens, session ids, and names that are not theirs to use.
@Suite struct FieldTests {
    /// A head of these field lines.
    private func withHead<R>(_ lines: [(String, String)], _ body: (inout Head, borrowing Span<UInt8>) -> R) -> R {
        var head = Head()
        var text: [UInt8] = []
        func add(_ part: String) -> Slice {
            let start = text.count
            text += Array(part.utf8)
            return Slice(start, text.count)
        }
        for (name, value) in lines {
            head.fields.append(Field(name: FieldName.intern(Array(name.utf8).span), nameText: add(name), value: add(value)))
        }
        return body(&head, text.span)
    }

    private func bearer(_ values: String...) -> String {
        withHead(values.map { ("Authorization", $0) }) { head, text in
            switch BearerField(head, in: text) {
            case .absent: "absent"
            case .malformed: "malformed"
            case .token(let place): text.extracting(place.range).text
            }
        }
    }

    @Test func theAuthorizationField() {
        #expect(bearer() == "absent" && bearer("Basic dTpw") == "absent" && bearer("Bearerx a") == "absent" && bearer("") == "absent")
        #expect(bearer("Bearer a.b-c_d") == "a.b-c_d" && bearer("bEARER   a.b.c") == "a.b.c")
        #expect(bearer("Bearer") == "malformed" && bearer("Bearer ") == "malformed" && bearer("Bearer a b") == "malformed")
        #expect(bearer("Bearer a,") == "malformed" && bearer("Bearer \ta") == "malformed" && bearer("Bearer a\u{e9}") == "malformed")
        #expect(bearer("Bearer a", "Bearer a") == "malformed" && bearer("Basic x", "Bearer a") == "malformed")
    }

    private func session(_ lines: (String, String)...) -> String {
        withHead(lines) { head, text in
            switch SessionNames(IdentitySettings.Session()).find(head, in: text) {
            case .none: "none"
            case .malformed: "malformed"
            case .id(let place): text.extracting(place.range).text
            }
        }
    }

    @Test func theSessionsID() {
        let id = "0123456789abcdef"
        #expect(session(("X-Session-Id", id)) == id && session(("Cookie", "nexus_session=\(id)")) == id)
        #expect(session(("Cookie", "a=b;nexus_session=\(id); c")) == id && session(("Cookie", "a=b"), ("Cookie", "nexus_session=\(id)")) == id)
        #expect(session(("Cookie", "xnexus_session=\(id)")) == "none" && session(("Cookie", "nexus_session=")) == "none")
        #expect(session(("Cookie", "nexus_session=\(id)\u{22}")) == "none" && session(("Cookie", ";;;=; nexus_session")) == "none")
        #expect(session(("x-session-id", "short")) == "malformed" && session(("x-session-id", "")) == "malformed")
        #expect(session(("x-session-id", String(repeating: "a", count: 129))) == "malformed")
    }

    @Test func reservedNamesAreStripped() {
        let reserved = ReservedNames(["x-user-id", "x-roles"])
        let left = withHead([("X-User-Id", "1"), ("Accept", "a"), ("x_user-ID", "2"), ("x-user-ix", "3"), ("X-ROLES", "4"), ("x-user-id2", "5")]) {
            head, text in
            reserved.strip(&head.fields, in: text)
            return head.fields.map { text.extracting($0.nameText.range).text }
        }
        #expect(left == ["Accept", "x-user-ix", "x-user-id2"])
    }

    @Test func namePatterns() {
        func matches(_ pattern: String, _ name: String) -> Bool { NamePattern(pattern).matches(Array(name.utf8)) }
        #expect(matches("*", "a") && matches("a", "a") && !matches("a", "ab") && matches("a*", "a") && !matches("a*a", "a"))
        #expect(matches("spiffe://*/pay/*", "spiffe://shop/pay/1") && !matches("spiffe://*/pay/*", "spiffe://shop/pa/1"))
        #expect(matches("*b*b", "bb") && matches("*ab*ab", "abxab") && !matches("*ab*ab", "ab"))
    }
}
