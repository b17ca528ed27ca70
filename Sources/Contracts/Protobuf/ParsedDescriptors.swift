import Exchanges

// What a FileDescriptorProto says (google/protobuf/descriptor.proto), before names are linked. Only
// what the gateway uses; the whole is kept as bytes for reflection.

struct ParsedFile {
    var name = ""
    var package = ""
    var dependencies: [String] = []
    var messages: [ParsedMessage] = []
    var enums: [ParsedEnum] = []
    var services: [ParsedService] = []
    var extensions: [ParsedField] = []
    var syntax = "proto2"
    var edition: Int32 = 0
    var features = FeatureChoice()
    var bytes: [UInt8] = []
}

struct ParsedMessage {
    var name = ""
    var fields: [ParsedField] = []
    var extensions: [ParsedField] = []
    var messages: [ParsedMessage] = []
    var enums: [ParsedEnum] = []
    var oneofs: [String] = []
    var isMapEntry = false
    var isMessageSet = false
    var features = FeatureChoice()
}

struct ParsedField {
    enum Label: Int32 {
        case optional = 1
        case required = 2
        case repeated = 3
    }

    var name = ""
    var number: Int32 = 0
    var label = Label.optional
    /// FieldDescriptorProto.Type; 0 when it is absent.
    var type: Int32 = 0
    var typeName = ""
    var extendee = ""
    var oneof: Int32?
    var jsonName: String?
    var isProto3Optional = false
    var packed: Bool?
    var features = FeatureChoice()
}

struct ParsedEnum {
    var name = ""
    var values: [(name: String, number: Int32)] = []
    var features = FeatureChoice()
}

struct ParsedService {
    var name = ""
    var methods: [ParsedMethod] = []
}

struct ParsedMethod {
    var name = ""
    var input = ""
    var output = ""
    var clientStreaming = false
    var serverStreaming = false
    var idempotency: Int32 = 0
}
