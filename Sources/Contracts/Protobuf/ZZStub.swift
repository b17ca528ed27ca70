public import Exchanges
public struct ProtoFieldPath: Sendable {}
extension ProtoSchema {
    public func path(_ p: String, in type: Int) -> ProtoFieldPath? { nil }
    public func value(_ p: ProtoFieldPath, of m: Span<UInt8>) -> Slice? { nil }
}
extension ProtoTranscoder {
    public mutating func appendField(_ p: ProtoFieldPath, json: Span<UInt8>, _ schema: ProtoSchema, options: ProtoJSONOptions, into: Buffer) throws(ProtoJSONError) {}
    public mutating func appendField(_ p: ProtoFieldPath, text: Span<UInt8>, _ schema: ProtoSchema, into: Buffer) throws(ProtoJSONError) {}
    public mutating func appendJSON(field: ProtoFieldPath, of: Span<UInt8>, _ schema: ProtoSchema, options: ProtoJSONOptions, into: Buffer) throws(ProtoJSONError) {}
}
