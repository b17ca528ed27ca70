/// FieldDescriptorProto.Type, by name.
public enum FieldType {
    public static let double = 1
    public static let float = 2
    public static let int64 = 3
    public static let uint64 = 4
    public static let int32 = 5
    public static let bool = 8
    public static let string = 9
    public static let group = 10
    public static let message = 11
    public static let bytes = 12
    public static let uint32 = 13
    public static let `enum` = 14
    public static let sfixed32 = 15
    public static let sint64 = 18
}

/// A shop that uses a little of everything, and google.protobuf's types.
public enum Samples {
    public static let google: FileSketch = {
        var file = FileSketch("google/protobuf/types.proto", package: "google.protobuf")
        let t = FieldType.self
        let moment = [FieldSketch("seconds", 1, t.int64), FieldSketch("nanos", 2, t.int32)]
        file.enums = [("NullValue", [("NULL_VALUE", 0)])]
        file.messages = [
            MessageSketch("Timestamp", moment),
            MessageSketch("Duration", moment),
            MessageSketch("FieldMask", [FieldSketch("paths", 1, t.string, label: 3)]),
            MessageSketch("Any", [FieldSketch("type_url", 1, t.string), FieldSketch("value", 2, t.bytes)]),
            MessageSketch("Empty"),
            MessageSketch(
                "Struct", [FieldSketch("fields", 1, t.message, ".google.protobuf.Struct.FieldsEntry", label: 3)],
                nested: [.entry("FieldsEntry", t.string, t.message, ".google.protobuf.Value")]),
            MessageSketch(
                "Value",
                [
                    FieldSketch("null_value", 1, t.enum, ".google.protobuf.NullValue", oneof: 0),
                    FieldSketch("number_value", 2, t.double, oneof: 0),
                    FieldSketch("string_value", 3, t.string, oneof: 0),
                    FieldSketch("bool_value", 4, t.bool, oneof: 0),
                    FieldSketch("struct_value", 5, t.message, ".google.protobuf.Struct", oneof: 0),
                    FieldSketch("list_value", 6, t.message, ".google.protobuf.ListValue", oneof: 0),
                ], oneofs: ["kind"]),
            MessageSketch("ListValue", [FieldSketch("values", 1, t.message, ".google.protobuf.Value", label: 3)]),
            MessageSketch("Int64Value", [FieldSketch("value", 1, t.int64)]),
            MessageSketch("StringValue", [FieldSketch("value", 1, t.string)]),
        ]
        return file
    }()

    public static let shop: FileSketch = {
        var file = FileSketch("shop.proto", package: "shop")
        let t = FieldType.self
        file.imports = ["google/protobuf/types.proto"]
        file.enums = [("State", [("NEW", 0), ("PAID", 1), ("SENT", 2), ("SHIPPED", 2)])]
        var note = FieldSketch("note", 9, t.string, oneof: 1)
        note.isProto3Optional = true
        file.messages = [
            MessageSketch("Item", [FieldSketch("product_id", 1, t.string), FieldSketch("quantity", 2, t.int32)]),
            MessageSketch(
                "Order",
                [
                    FieldSketch("user_id", 1, t.string),
                    FieldSketch("items", 2, t.message, ".shop.Item", label: 3),
                    FieldSketch("total", 3, t.int64),
                    FieldSketch("state", 4, t.enum, ".shop.State"),
                    FieldSketch("first", 5, t.message, ".shop.Item"),
                    FieldSketch("labels", 6, t.message, ".shop.Order.LabelsEntry", label: 3),
                    FieldSketch("card", 7, t.string, oneof: 0),
                    FieldSketch("voucher", 8, t.message, ".shop.Item", oneof: 0),
                    note,
                    FieldSketch("weights", 10, t.double, label: 3),
                    FieldSketch("placed", 11, t.message, ".google.protobuf.Timestamp"),
                    FieldSketch("wait", 12, t.message, ".google.protobuf.Duration"),
                    FieldSketch("mask", 13, t.message, ".google.protobuf.FieldMask"),
                    FieldSketch("extra", 14, t.message, ".google.protobuf.Struct"),
                    FieldSketch("any", 15, t.message, ".google.protobuf.Any"),
                    FieldSketch("limit", 16, t.message, ".google.protobuf.Int64Value"),
                    FieldSketch("raw", 17, t.bytes),
                    FieldSketch("gift", 18, t.bool),
                    FieldSketch("parent", 19, t.message, ".shop.Order"),
                    FieldSketch("rate", 20, t.float),
                    FieldSketch("codes", 21, t.sint64, label: 3),
                    FieldSketch("far", 100_000, t.uint64),
                    FieldSketch("value", 22, t.message, ".google.protobuf.Value"),
                ], oneofs: ["payment", "_note"], nested: [.entry("LabelsEntry", t.string, t.int32)]),
        ]
        file.services = [("Orders", [("Place", ".shop.Order", ".shop.Item"), ("List", ".shop.Item", ".shop.Order")])]
        return file
    }()

    public static let set = FileSketch.set([google, shop])
}
