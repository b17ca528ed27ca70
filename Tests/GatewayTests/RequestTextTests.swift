import EventCore
import Exchanges
import Pipeline
import Testing

@testable import Gateway

/// Small texts that requests carry.
@Suite struct RequestTextTests {
    func wait(_ values: String...) -> Int? {
        var head = Head()
        let text = Buffer(capacity: 64)
        for value in values {
            let start = text.count
            text.append(value)
            head.fields.append(Field(name: .prefer, nameText: .none, value: Slice(start, text.count)))
        }
        return text.withReadable { Preference.wait(head, in: $0) }
    }

    @Test func waits() {
        #expect(wait("wait=5") == 5)
        #expect(wait("wait=\"5\"") == 5)
        #expect(wait(" Wait\t=\t5 ; x") == 5)
        #expect(wait("a=\"\\\",wait=1\", wait=2") == 2)
        #expect(wait("a", "wait=3, wait=4") == 3)
        #expect(wait("wait=61") == 60)
        for nothing in ["", ",", "wait", "wait=", "wait=1.5", "wait=5s", "waits=5", "await=5", "wait;x=5", "wait=\"5", "a=\"wait=5", "\\", "wait=\""] {
            #expect(wait(nothing) == nil, "\(nothing)")
        }
    }

    @Test func queries() {
        func parameters(_ query: String, most: Int = 8) -> [String]? {
            QueryText.parameters(Array(query.utf8).span, most: most)?.map {
                String(decoding: $0.name, as: UTF8.self) + "→" + String(decoding: $0.value, as: UTF8.self)
            }
        }
        #expect(parameters("a=1&b=2") == ["a→1", "b→2"])
        #expect(parameters("&&a&=b&c==&%41=%zz+%2B&") == ["a→", "→b", "c→=", "A→%zz +"])
        #expect(parameters("") == [] && parameters("a&a&a", most: 2) == nil)
        let query = Array("x=1&min=2&min=3&mi=4".utf8)
        #expect(QueryText.value(of: "min", in: query.span) == 8..<9)
        #expect(QueryText.value(of: "m", in: query.span) == nil)
    }

    @Test func tags() {
        func has(_ list: String) -> Bool { EntityTag.isAmong(Array(list.utf8).span, 7) }
        for good in ["*", "\"7\"", "W/\"7\"", "\"6\",\"7\"", "\"6\" , W/\"7\"", "\"07\""] { #expect(has(good), "\(good)") }
        for bad in ["", "7", "\"\"", "\"70\"", "\"6\"", "\"", "\"7", "a\"b\"", "* "] { #expect(!has(bad), "\(bad)") }
    }

    @Test func textsOfOthersAreCutBetweenCharacters() {
        #expect("abc".bounded(to: 3) == Array("abc".utf8))
        #expect("ääää".bounded(to: 5) == Array("ää".utf8))
        #expect("\u{1F600}".bounded(to: 3) == [])
        let exchange = Exchange(ticket: Ticket(worker: 0, slot: 0, generation: 0))
        var problem = Problem(Outcome(.internalError, "constant"), exchange, fields: nil)
        problem.text = "a \"b\" \\ \u{1}\n"
        #expect(String(decoding: problem.reply().body, as: UTF8.self).contains(#""detail":"a \"b\" \\ \u0001\n""#))
        problem.text = String(repeating: "x", count: 10_000)
        #expect(problem.reply().body.count < 4500)
        exchange.head.dialect = .grpc
        exchange.head.version = .http2
        #expect(problem.reply().fields.count < 4096)
    }
}
