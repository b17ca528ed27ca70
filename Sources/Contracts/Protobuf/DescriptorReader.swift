import Exchanges

/// Reads a serialized FileDescriptorSet (google/protobuf/descriptor.proto). It is the one message whose
/// shape must be known before any descriptor is, so it is read by hand.
struct DescriptorReader {
    private let limits: ProtoSchemaLimits
    /// Named in errors: the set, then the file, then the symbols on the way in.
    private var file: String
    private var scope: [String] = []
    private(set) var types = 0
    private(set) var members = 0

    init(_ set: String, limits: ProtoSchemaLimits) {
        file = set
        self.limits = limits
    }

    /// The files of one set, in its order.
    static func files(
        in set: ProtoDescriptorSet, limits: ProtoSchemaLimits
    ) throws(ProtoSchemaError) -> [ParsedFile] {
        guard set.bytes.count <= limits.bytes else {
            throw ProtoSchemaError(file: set.name, "is larger than \(limits.bytes) bytes")
        }
        var reader = DescriptorReader(set.name, limits: limits)
        var files: [ParsedFile] = []
        let bytes = set.bytes.span
        var fields = FieldReader(Slice(0, bytes.count))
        while let field = try reader.next(&fields, bytes) {
            guard field.number == 1, field.type == .bytes else { continue }
            guard files.count < limits.files else { throw reader.fail("holds more than \(limits.files) files") }
            files.append(try reader.file(field.slice, bytes))
        }
        guard !files.isEmpty else { throw ProtoSchemaError(file: set.name, "holds no file") }
        return files
    }

    private func fail(_ text: String) -> ProtoSchemaError {
        ProtoSchemaError(file: file, symbol: scope.filter { !$0.isEmpty }.joined(separator: "."), text)
    }

    // MARK: - Fields of one descriptor

    private struct FieldReader {
        var wire: WireReader
        init(_ slice: Slice) { wire = WireReader(slice) }
    }

    private struct Field {
        var number: UInt32
        var type: WireType
        var slice = Slice.none
        var value: UInt64 = 0
        var int32: Int32 { Int32(truncatingIfNeeded: value) }
    }

    private func next(_ fields: inout FieldReader, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> Field? {
        do throws(WireError) {
            guard !fields.wire.isAtEnd else { return nil }
            let tag = try fields.wire.tag(bytes)
            var field = Field(number: tag.number, type: tag.type)
            switch tag.type {
            case .bytes: field.slice = try fields.wire.delimited(bytes)
            case .varint: field.value = try fields.wire.varint(bytes)
            default: try fields.wire.skip(tag.number, tag.type, bytes, depth: 16)
            }
            return field
        } catch {
            throw fail("is no descriptor: \(error.text), at byte \(fields.wire.at)")
        }
    }

    private func string(_ field: Field, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> String {
        let text = bytes.extracting(field.slice.range)
        guard JSONString.isUTF8(text) else { throw fail("holds a name that is not UTF-8") }
        return text.text
    }

    /// A name of the language: letters, digits and underscores.
    private func identifier(_ field: Field, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> String {
        let name = try string(field, bytes)
        guard isIdentifier(name) else { throw fail("\"\(name)\" is no name") }
        return name
    }

    private func isIdentifier(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 512, first &- 48 >= 10 else { return false }
        return name.utf8.allSatisfy { $0 &- 48 < 10 || ($0 | 0x20) &- 97 < 26 || $0 == UInt8(ascii: "_") }
    }

    private mutating func countMember() throws(ProtoSchemaError) {
        members += 1
        guard members <= limits.members else { throw fail("more than \(limits.members) fields, values and methods") }
    }

    private mutating func countType() throws(ProtoSchemaError) {
        types += 1
        guard types <= limits.types else { throw fail("more than \(limits.types) messages and enums") }
    }

    // MARK: - Files and messages

    private mutating func file(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedFile {
        var parsed = ParsedFile()
        let set = file
        defer {
            file = set
            scope = []
        }
        // Name and package first: errors in what follows name them.
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            guard field.type == .bytes else { continue }
            if field.number == 1 { parsed.name = try string(field, bytes) }
            if field.number == 2 { parsed.package = try string(field, bytes) }
        }
        guard !parsed.name.isEmpty else { throw fail("holds a file without a name") }
        file = parsed.name
        scope = [parsed.package]
        let parts = parsed.package.split(separator: ".", omittingEmptySubsequences: false)
        guard parsed.package.isEmpty || parts.allSatisfy({ isIdentifier(String($0)) }) else {
            throw fail("\"\(parsed.package)\" is no package name")
        }
        fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            switch (field.number, field.type) {
            case (3, .bytes): parsed.dependencies.append(try string(field, bytes))
            case (4, .bytes): parsed.messages.append(try message(field.slice, bytes))
            case (5, .bytes): parsed.enums.append(try enumeration(field.slice, bytes))
            case (6, .bytes): parsed.services.append(try service(field.slice, bytes))
            case (7, .bytes): parsed.extensions.append(try self.field(field.slice, bytes))
            case (8, .bytes): try features(in: field.slice, number: 50, bytes, into: &parsed.features)
            case (12, .bytes): parsed.syntax = try string(field, bytes)
            case (14, .varint): parsed.edition = field.int32
            default: break
            }
        }
        parsed.bytes = bytes.extracting(slice.range).bytes
        return parsed
    }

    private mutating func message(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedMessage {
        guard scope.count <= limits.depth else { throw fail("messages are nested too deeply") }
        try countType()
        var parsed = ParsedMessage()
        parsed.name = try name(of: slice, bytes)
        scope.append(parsed.name)
        defer { scope.removeLast() }
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            guard field.type == .bytes else { continue }
            switch field.number {
            case 2: parsed.fields.append(try self.field(field.slice, bytes))
            case 3: parsed.messages.append(try message(field.slice, bytes))
            case 4: parsed.enums.append(try enumeration(field.slice, bytes))
            case 6: parsed.extensions.append(try self.field(field.slice, bytes))
            case 7: try options(field.slice, bytes, of: &parsed)
            case 8:
                try countMember()
                parsed.oneofs.append(try name(of: field.slice, bytes))
            default: break
            }
        }
        return parsed
    }

    private func options(
        _ slice: Slice, _ bytes: Span<UInt8>, of parsed: inout ParsedMessage
    ) throws(ProtoSchemaError) {
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            switch (field.number, field.type) {
            case (1, .varint): parsed.isMessageSet = field.value != 0
            case (7, .varint): parsed.isMapEntry = field.value != 0
            default: break
            }
        }
        try features(in: slice, number: 12, bytes, into: &parsed.features)
    }

    /// Field 1 of nearly every descriptor.
    private func name(of slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> String {
        var fields = FieldReader(slice)
        var name: String?
        while let field = try next(&fields, bytes) {
            if field.number == 1, field.type == .bytes { name = try identifier(field, bytes) }
        }
        guard let name else { throw fail("holds something without a name") }
        return name
    }

    // MARK: - Members

    private mutating func field(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedField {
        try countMember()
        var parsed = ParsedField()
        parsed.name = try name(of: slice, bytes)
        scope.append(parsed.name)
        defer { scope.removeLast() }
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            switch (field.number, field.type) {
            case (2, .bytes): parsed.extendee = try string(field, bytes)
            case (3, .varint): parsed.number = field.int32
            case (4, .varint):
                guard let label = ParsedField.Label(rawValue: field.int32) else { throw fail("has no known label") }
                parsed.label = label
            case (5, .varint): parsed.type = field.int32
            case (6, .bytes): parsed.typeName = try string(field, bytes)
            case (8, .bytes): try options(field.slice, bytes, of: &parsed)
            case (9, .varint): parsed.oneof = field.int32
            case (10, .bytes): parsed.jsonName = try string(field, bytes)
            case (17, .varint): parsed.isProto3Optional = field.value != 0
            default: break
            }
        }
        return parsed
    }

    private func options(_ slice: Slice, _ bytes: Span<UInt8>, of parsed: inout ParsedField) throws(ProtoSchemaError) {
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            if field.number == 2, field.type == .varint { parsed.packed = field.value != 0 }
        }
        try features(in: slice, number: 21, bytes, into: &parsed.features)
    }

    private mutating func enumeration(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedEnum {
        try countType()
        var parsed = ParsedEnum()
        parsed.name = try name(of: slice, bytes)
        scope.append(parsed.name)
        defer { scope.removeLast() }
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            guard field.type == .bytes else { continue }
            switch field.number {
            case 2:
                try countMember()
                let value = try name(of: field.slice, bytes)
                var number: Int32 = 0
                var inner = FieldReader(field.slice)
                while let part = try next(&inner, bytes) {
                    if part.number == 2, part.type == .varint { number = part.int32 }
                }
                parsed.values.append((value, number))
            case 3: try features(in: field.slice, number: 7, bytes, into: &parsed.features)
            default: break
            }
        }
        return parsed
    }

    private mutating func service(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedService {
        try countType()
        var parsed = ParsedService()
        parsed.name = try name(of: slice, bytes)
        scope.append(parsed.name)
        defer { scope.removeLast() }
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            if field.number == 2, field.type == .bytes { parsed.methods.append(try method(field.slice, bytes)) }
        }
        return parsed
    }

    private mutating func method(_ slice: Slice, _ bytes: Span<UInt8>) throws(ProtoSchemaError) -> ParsedMethod {
        try countMember()
        var parsed = ParsedMethod()
        parsed.name = try name(of: slice, bytes)
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            switch (field.number, field.type) {
            case (2, .bytes): parsed.input = try string(field, bytes)
            case (3, .bytes): parsed.output = try string(field, bytes)
            case (4, .bytes):
                var options = FieldReader(field.slice)
                while let option = try next(&options, bytes) {
                    if option.number == 34, option.type == .varint { parsed.idempotency = option.int32 }
                }
            case (5, .varint): parsed.clientStreaming = field.value != 0
            case (6, .varint): parsed.serverStreaming = field.value != 0
            default: break
            }
        }
        return parsed
    }

    /// Reads the FeatureSet that is field `number` of the options at `slice`.
    private func features(
        in slice: Slice, number: UInt32, _ bytes: Span<UInt8>, into choice: inout FeatureChoice
    ) throws(ProtoSchemaError) {
        var fields = FieldReader(slice)
        while let field = try next(&fields, bytes) {
            guard field.number == number, field.type == .bytes else { continue }
            var inner = FieldReader(field.slice)
            while let feature = try next(&inner, bytes) {
                guard feature.type == .varint else { continue }
                switch feature.number {
                case 1: choice.presence = feature.int32
                case 2: choice.enums = feature.int32
                case 3: choice.repeated = feature.int32
                case 4: choice.utf8 = feature.int32
                case 5: choice.encoding = feature.int32
                default: break
                }
            }
        }
    }
}
