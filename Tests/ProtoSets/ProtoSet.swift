/// Descriptor sets made by hand, so that these tests need no compiler of .proto files. The numbers are
/// those of google/protobuf/descriptor.proto.
public struct FieldSketch: Sendable {
    public var name: String
    public var number: Int
    /// FieldDescriptorProto.Type.
    public var type: Int
    public var label = 1
    public var typeName = ""
    public var oneof: Int?
    public var isProto3Optional = false
    public var jsonName: String?
    public var extendee = ""

    public init(_ name: String, _ number: Int, _ type: Int, _ typeName: String = "", label: Int = 1, oneof: Int? = nil) {
        self.name = name
        self.number = number
        self.type = type
        self.typeName = typeName
        self.label = label
        self.oneof = oneof
    }

    var bytes: [UInt8] {
        proto { wire in
            wire.string(1, name)
            if !extendee.isEmpty { wire.string(2, extendee) }
            wire.varint(3, number)
            wire.varint(4, label)
            wire.varint(5, type)
            if !typeName.isEmpty { wire.string(6, typeName) }
            if let oneof { wire.varint(9, oneof) }
            if let jsonName { wire.string(10, jsonName) }
            if isProto3Optional { wire.varint(17, 1) }
        }
    }
}

public struct MessageSketch: Sendable {
    public var name: String
    public var fields: [FieldSketch]
    public var oneofs: [String]
    public var nested: [MessageSketch]
    public var isMapEntry: Bool

    public init(
        _ name: String, _ fields: [FieldSketch] = [], oneofs: [String] = [], nested: [MessageSketch] = [],
        isMapEntry: Bool = false
    ) {
        self.name = name
        self.fields = fields
        self.oneofs = oneofs
        self.nested = nested
        self.isMapEntry = isMapEntry
    }

    /// A map's entry, for a field of the message it is nested in.
    public static func entry(_ name: String, _ key: Int, _ value: Int, _ typeName: String = "") -> MessageSketch {
        MessageSketch(
            name, [FieldSketch("key", 1, key), FieldSketch("value", 2, value, typeName)], isMapEntry: true)
    }

    var bytes: [UInt8] {
        proto { wire in
            wire.string(1, name)
            for field in fields { wire.bytes(2, field.bytes) }
            for message in nested { wire.bytes(3, message.bytes) }
            for oneof in oneofs { wire.message(8) { $0.string(1, oneof) } }
            if isMapEntry { wire.message(7) { $0.varint(7, 1) } }
        }
    }
}

public struct FileSketch: Sendable {
    public var name: String
    public var package: String
    public var syntax: String
    public var imports: [String] = []
    public var messages: [MessageSketch] = []
    public var enums: [(name: String, values: [(String, Int)])] = []
    public var services: [(name: String, methods: [(name: String, input: String, output: String)])] = []
    public var extensions: [FieldSketch] = []

    public init(_ name: String, package: String = "t", syntax: String = "proto3") {
        self.name = name
        self.package = package
        self.syntax = syntax
    }

    public var bytes: [UInt8] {
        proto { wire in
            wire.string(1, name)
            wire.string(2, package)
            for name in imports { wire.string(3, name) }
            for message in messages { wire.bytes(4, message.bytes) }
            for type in enums {
                wire.message(5) { inner in
                    inner.string(1, type.name)
                    for (name, number) in type.values {
                        inner.message(2) {
                            $0.string(1, name)
                            $0.varint(2, number)
                        }
                    }
                }
            }
            for service in services {
                wire.message(6) { inner in
                    inner.string(1, service.name)
                    for method in service.methods {
                        inner.message(2) {
                            $0.string(1, method.name)
                            $0.string(2, method.input)
                            $0.string(3, method.output)
                        }
                    }
                }
            }
            for field in extensions { wire.bytes(7, field.bytes) }
            wire.string(12, syntax)
        }
    }

    /// A FileDescriptorSet of these files.
    public static func set(_ files: [FileSketch]) -> [UInt8] {
        proto { wire in for file in files { wire.bytes(1, file.bytes) } }
    }
}
