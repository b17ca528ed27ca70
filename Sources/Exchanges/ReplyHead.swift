/// The head of an answer from upstream: status and fields, pointing into the text they came in.
public struct ReplyHead: Sendable {
    public var status: UInt16 = 0
    public var reason = Slice.none
    public var fields: [Field] = []
    public init() {}

    public mutating func clear() {
        status = 0
        reason = .none
        fields.removeAll(keepingCapacity: true)
    }

    public func first(_ name: FieldName) -> Field? {
        for field in fields where field.name == name { return field }
        return nil
    }
}
