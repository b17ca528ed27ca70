import Contracts
import ProtoSets
import Seeded
import Testing

private func load(_ sets: [UInt8]..., limits: ProtoSchemaLimits = ProtoSchemaLimits()) -> Result<ProtoSchema, ProtoSchemaError> {
    Result { () throws(ProtoSchemaError) in
        try ProtoSchema(
            sets.enumerated().map { ProtoDescriptorSet(name: "set\($0)", bytes: $1) }, limits: limits)
    }
}

private func error(_ files: FileSketch...) -> String? {
    if case .failure(let error) = load(FileSketch.set(files)) { return error.description }
    return nil
}

private func file(_ messages: MessageSketch...) -> FileSketch {
    var file = FileSketch("a.proto")
    file.messages = messages
    return file
}

@Suite struct ProtoSchemaTests {
    @Test func findsMethodsMessagesAndFiles() throws {
        let schema = try load(Samples.set).get()
        let found = schema.method(path: "/shop.Orders/Place".utf8Span.span)
        let place = try #require(found)
        let method = schema.methods[place]
        #expect(schema.name(ofMessage: method.input) == "shop.Order")
        #expect(schema.name(ofMessage: method.output) == "shop.Item")
        #expect(!method.clientStreaming && !method.serverStreaming && method.idempotency == .unknown)
        #expect(schema.services[method.service].name == "shop.Orders")
        for wrong in ["/shop.Orders/place", "shop.Orders/Place", "/shop.Orders/Place/", "", "/"] {
            let found = schema.method(path: wrong.utf8Span.span)
            #expect(found == nil, "\(wrong)")
        }
        #expect(schema.message(named: "shop.Order.LabelsEntry") != nil)
        #expect(schema.message(named: ".shop.Order") == nil)
    }

    @Test func answersReflection() throws {
        var extending = FileSketch("extending.proto", package: "more", syntax: "proto2")
        extending.imports = ["shop.proto"]
        var extra = FieldSketch("extra_field", 500, FieldType.int32)
        extra.extendee = ".shop.Item"
        extending.extensions = [extra]
        // The importer first: dependencies come first all the same.
        let schema = try load(FileSketch.set([extending, Samples.shop, Samples.google])).get()
        #expect(schema.files.map(\.name) == ["google/protobuf/types.proto", "shop.proto", "extending.proto"])
        let shop = try #require(schema.file(named: "shop.proto"))
        #expect(schema.files[shop].bytes == Samples.shop.bytes)
        for symbol in ["shop.Orders", "shop.Orders.Place", "shop.Order", "shop.Order.user_id", "shop.Order.payment", "shop.State", "shop.PAID"] {
            #expect(schema.file(declaring: symbol) == shop, "\(symbol)")
        }
        #expect(schema.file(declaring: "shop.Nothing") == nil)
        #expect(schema.file(extending: "shop.Item", number: 500) == 2)
        #expect(schema.file(extending: "shop.Item", number: 501) == nil)
        #expect(schema.extensionNumbers(of: "shop.Item") == [500])
        #expect(schema.extensionNumbers(of: "shop.Order") == [])
        #expect(schema.extensionNumbers(of: "shop.Nothing") == nil)
        #expect(schema.withDependencies(2) == [0, 1, 2])
        #expect(schema.withDependencies(0) == [0])
    }

    @Test func theSameFileTwiceIsFineAndAnotherIsNot() throws {
        #expect(try load(Samples.set, Samples.set).get().files.count == 2)
        var other = Samples.shop
        other.messages.removeLast()
        other.services = []
        guard case .failure(let error) = load(Samples.set, FileSketch.set([Samples.google, other])) else {
            Issue.record("accepted")
            return
        }
        #expect(error.file == "shop.proto" && error.text.contains("set1"))
    }

    @Test func namesEveryMistake() {
        let t = FieldType.self
        func one(_ field: FieldSketch) -> String? { error(file(MessageSketch("M", [field]))) }
        #expect(one(FieldSketch("f", 0, t.int32)) == "a.proto: t.M.f: 0 is no field number")
        #expect(one(FieldSketch("f", 19_500, t.int32)) == "a.proto: t.M.f: 19500 is no field number")
        #expect(one(FieldSketch("f", 536_870_912, t.int32)) == "a.proto: t.M.f: 536870912 is no field number")
        #expect(one(FieldSketch("f", 1, 0)) == "a.proto: t.M.f: has no known type")
        #expect(one(FieldSketch("f", 1, 19)) == "a.proto: t.M.f: has no known type")
        #expect(one(FieldSketch("f", 1, t.int32, label: 4)) == "a.proto: t.M.f: has no known label")
        #expect(one(FieldSketch("1f", 1, t.int32)) == "a.proto: t.M: \"1f\" is no name")
        #expect(one(FieldSketch("f", 1, t.int32, oneof: 0)) == "a.proto: t.M.f: belongs to a oneof that is not declared")
        #expect(
            one(FieldSketch("f", 1, t.message, ".t.X"))
                == "a.proto: t.M.f: refers to \".t.X\", which is not declared")
        #expect(one(FieldSketch("f", 1, t.enum, ".t.M")) == "a.proto: t.M.f: .t.M is of the wrong kind")
        #expect(
            error(file(MessageSketch("M", [FieldSketch("f", 1, t.int32), FieldSketch("g", 1, t.int32)])))
                == "a.proto: t.M.g: uses number 1 twice")
        #expect(
            error(file(MessageSketch("M", [FieldSketch("a_b", 1, t.int32), FieldSketch("aB", 2, t.int32)])))
                == "a.proto: t.M.aB: has the JSON name \"aB\" of a_b")
        #expect(error(file(MessageSketch("M"), MessageSketch("M")))?.contains("t.M: is declared twice") == true)
        #expect(
            error(file(MessageSketch("M", nested: [.entry("E", t.double, t.int32)])))?.contains("t.M.E: has a key") == true)
        var lonely = file()
        lonely.imports = ["b.proto"]
        #expect(error(lonely) == "a.proto: imports b.proto, which is in none of the sets")
        var back = FileSketch("b.proto", package: "b")
        back.imports = ["a.proto"]
        #expect(error(lonely, back)?.contains("which imports it") == true)
        var old = file()
        old.syntax = "proto4"
        #expect(error(old) == "a.proto: is written in syntax \"proto4\", which is not supported")
        var fake = FileSketch("fake.proto", package: "google.protobuf")
        fake.messages = [MessageSketch("Timestamp", [FieldSketch("seconds", 1, t.string)])]
        #expect(error(fake)?.contains("google.protobuf.Timestamp: is not the well-known type") == true)
        #expect(error() == "set0: holds no file")
    }

    @Test func boundsWhatDescriptorsCost() {
        var limits = ProtoSchemaLimits()
        limits.bytes = 100
        #expect(load(Samples.set, limits: limits).error?.text == "is larger than 100 bytes")
        limits = ProtoSchemaLimits()
        limits.members = 10
        #expect(load(Samples.set, limits: limits).error?.text.contains("more than 10") == true)
        limits = ProtoSchemaLimits()
        limits.types = 3
        #expect(load(Samples.set, limits: limits).error?.text.contains("more than 3") == true)
        var nested = MessageSketch("M")
        for _ in 0..<40 { nested = MessageSketch("M", nested: [nested]) }
        #expect(error(file(nested))?.contains("nested too deeply") == true)
    }

    @Test func survivesDamage() {
        var random = Seeded(state: 7)
        for _ in 0..<2000 {
            var bytes = Samples.set
            for _ in 0...random.count(0...3) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                if random.chance(3) { bytes.removeSubrange(at...) } else { bytes[at] ^= UInt8(1 << random.count(0...7)) }
                if bytes.isEmpty { break }
            }
            // Either a schema that knows its own names, or an error that says where.
            switch load(bytes) {
            case .success(let schema):
                for i in schema.messages.indices { #expect(schema.message(named: schema.name(ofMessage: i)) == i) }
            case .failure(let error): #expect(!error.file.isEmpty && !error.text.isEmpty)
            }
        }
    }
}

extension Result {
    fileprivate var error: Failure? {
        if case .failure(let error) = self { return error }
        return nil
    }
}
