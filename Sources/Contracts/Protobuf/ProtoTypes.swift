import Exchanges

/// A serialized google.protobuf.FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` writes it.
public struct ProtoDescriptorSet: Sendable {
    /// For errors: the path it was read from.
    public var name: String
    public var bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// One .proto file of a schema: what server reflection answers with.
public struct ProtoFile: Sendable {
    public let name: String
    public let package: String
    /// The serialized FileDescriptorProto, as it came.
    public let bytes: [UInt8]
    /// The files it imports, as indices in `ProtoSchema.files`.
    public let dependencies: [Int]
}

/// A method of a service.
public struct ProtoMethod: Sendable {
    /// google.protobuf.MethodOptions.IdempotencyLevel.
    public enum Idempotency: Int32, Sendable {
        case unknown = 0
        case noSideEffects = 1
        case idempotent = 2
    }

    public let name: String
    /// As the gRPC wire writes it: `/pkg.Service/Method`.
    public let path: String
    /// In `ProtoSchema.services`.
    public let service: Int
    /// Message types, in `ProtoSchema.messages`.
    public let input: Int
    public let output: Int
    public let clientStreaming: Bool
    public let serverStreaming: Bool
    public let idempotency: Idempotency
}

/// A service and where its methods stand in `ProtoSchema.methods`.
public struct ProtoService: Sendable {
    /// With its package: `pkg.Service`.
    public let name: String
    public let methods: Range<Int>
    /// In `ProtoSchema.files`.
    public let file: Int
}

/// A message type: plain numbers into the schema's tables.
public struct ProtoMessage: Sendable, BitwiseCopyable {
    /// In the schema's text: `pkg.Outer.Inner`.
    let name: Slice
    /// Ordered by number, extensions included, in `ProtoSchema.fields`.
    let firstField: Int32
    let fieldCount: Int32
    /// `numbers[firstNumber + number]` is a field's index or -1, for numbers below `numberCount`.
    let firstNumber: Int32
    let numberCount: UInt32
    let names: NameTable.Range
    /// Real oneofs, without those that stand for a proto3 `optional`.
    let oneofCount: Int32
    let wellKnown: WellKnownType
    let isMapEntry: Bool
    let hasRequired: Bool

    var fields: Range<Int> { Int(firstField)..<Int(firstField &+ fieldCount) }
}

/// A field of a message: plain numbers into the schema's tables.
public struct ProtoField: Sendable, BitwiseCopyable {
    /// FieldDescriptorProto.Type.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        case double = 1
        case float = 2
        case int64 = 3
        case uint64 = 4
        case int32 = 5
        case fixed64 = 6
        case fixed32 = 7
        case bool = 8
        case string = 9
        case group = 10
        case message = 11
        case bytes = 12
        case uint32 = 13
        case `enum` = 14
        case sfixed32 = 15
        case sfixed64 = 16
        case sint32 = 17
        case sint64 = 18

        var wireType: WireType {
            switch self {
            case .int32, .int64, .uint32, .uint64, .sint32, .sint64, .bool, .enum: .varint
            case .fixed32, .sfixed32, .float: .fixed32
            case .fixed64, .sfixed64, .double: .fixed64
            case .string, .bytes, .message: .bytes
            case .group: .groupStart
            }
        }

        /// The bits of a varint that count.
        var mask: UInt64 {
            switch self {
            case .int32, .uint32, .sint32, .enum: 0xFFFF_FFFF
            default: .max
            }
        }

        var isMessage: Bool { self == .message || self == .group }
        /// May its repetitions stand packed in one length-delimited value?
        var isPackable: Bool {
            switch wireType {
            case .varint, .fixed32, .fixed64: true
            default: false
            }
        }
    }

    struct Flags: OptionSet, Sendable, BitwiseCopyable {
        let rawValue: UInt16
        static let repeated = Flags(rawValue: 1)
        static let map = Flags(rawValue: 2)
        static let packed = Flags(rawValue: 4)
        /// Tells absent from default.
        static let presence = Flags(rawValue: 8)
        static let required = Flags(rawValue: 16)
        /// Its enum keeps unknown numbers.
        static let openEnum = Flags(rawValue: 32)
        static let isExtension = Flags(rawValue: 64)
        /// A string that must be UTF-8 even where it is not looked at: not in proto2.
        static let utf8 = Flags(rawValue: 256)
        /// An unset one prints as null and null sets it: google.protobuf.Value and NullValue.
        static let takesNull = Flags(rawValue: 128)
    }

    let number: UInt32
    let kind: Kind
    let flags: Flags
    /// Counted within the message; -1 outside every real oneof.
    let oneof: Int32
    /// In `ProtoSchema.messages` or `.enums`; -1 for other kinds.
    let type: Int32
    /// In the schema's text: names, and names as JSON writes them: quoted, escaped, with the colon.
    let name: Slice
    let jsonName: Slice
    let member: Slice
    let originalMember: Slice

    var isRepeated: Bool { flags.contains(.repeated) }
    var isMap: Bool { flags.contains(.map) }
    var hasPresence: Bool { flags.contains(.presence) }
    /// The tag its values are written with.
    var tag: UInt32 {
        number &<< 3 | UInt32(flags.contains(.packed) ? WireType.bytes.rawValue : kind.wireType.rawValue)
    }
}

/// An enum type: plain numbers into the schema's tables.
public struct ProtoEnum: Sendable, BitwiseCopyable {
    /// In the schema's text.
    let name: Slice
    /// Ordered by number, one for each number, in `ProtoSchema.enumValues`.
    let firstValue: Int32
    let valueCount: Int32
    /// From name (aliases too) to number's place in `enumValues`.
    let names: NameTable.Range
    /// What an absent value of a closed enum reads as: the one declared first.
    let firstNumber: Int32
    let isOpen: Bool
    /// google.protobuf.NullValue.
    let isNull: Bool
}

struct ProtoEnumValue: Sendable, BitwiseCopyable {
    let number: Int32
    /// In the schema's text, quoted; of aliases the first declared.
    let quoted: Slice
}
