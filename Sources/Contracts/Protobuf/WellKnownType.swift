import Exchanges

/// The types whose JSON is not that of an ordinary message.
enum WellKnownType: UInt8, Sendable, BitwiseCopyable {
    case none, timestamp, duration, fieldMask, any, `struct`, value, listValue, wrapper

    init(named name: String) {
        switch name {
        case "google.protobuf.Timestamp": self = .timestamp
        case "google.protobuf.Duration": self = .duration
        case "google.protobuf.FieldMask": self = .fieldMask
        case "google.protobuf.Any": self = .any
        case "google.protobuf.Struct": self = .struct
        case "google.protobuf.Value": self = .value
        case "google.protobuf.ListValue": self = .listValue
        case "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value",
            "google.protobuf.UInt64Value", "google.protobuf.Int32Value", "google.protobuf.UInt32Value",
            "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue":
            self = .wrapper
        default: self = .none
        }
    }

    /// Has it a JSON form that is a string?
    var isText: Bool { self == .timestamp || self == .duration || self == .fieldMask }

    /// Its fields in order of number, from 1: a set of descriptors that says otherwise is refused.
    var shape: [ProtoField.Kind]? {
        switch self {
        case .none, .wrapper: nil
        case .timestamp, .duration: [.int64, .int32]
        case .fieldMask: [.string]
        case .any: [.string, .bytes]
        case .struct: [.message]
        case .value: [.enum, .double, .string, .bool, .message, .message]
        case .listValue: [.message]
        }
    }
}
