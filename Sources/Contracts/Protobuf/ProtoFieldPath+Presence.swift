/// Is there something in a field? What routes ask before a message goes on.
extension ProtoSchema {
    /// Can the field be read with `integer(_:of:)`?
    public func isInteger(_ path: ProtoFieldPath) -> Bool {
        let field = fields[path.last]
        return field.kind.isPackable && field.kind != .double && field.kind != .float && !field.isRepeated
    }

    /// Does the message hold the single field: a message, however empty, or a text or bytes that are not? False
    /// for malformed messages.
    public func holds(_ path: ProtoFieldPath, in message: Span<UInt8>) -> Bool {
        guard let found = last(path, of: message) else { return false }
        return fields[path.last].kind.isMessage || found.bits != 0
    }
}
