public import Exchanges

/// One received field section: pseudo-fields and fields as slices of one text, in the form of HTTP/1
/// lines (`name: value` CRLF), so that it can be forwarded in either version by the same code.
///
/// A connection has one at a time (RFC 9113 section 4.3): it belongs to the session, and what it holds
/// is valid during the call that shows it. Copy what must stay; the list of fields may be swapped.
public final class HTTP2Block {
    public let text = Buffer(capacity: 1024)
    public var fields: [Field] = []
    public internal(set) var method = Slice.none
    public internal(set) var scheme = Slice.none
    public internal(set) var path = Slice.none
    public internal(set) var authority = Slice.none
    /// 0 in requests and trailers.
    public internal(set) var status: UInt16 = 0
    public internal(set) var contentLength: UInt64?
    /// Larger than the limits allow: `fields` is not complete.
    public internal(set) var isTooLarge = false
    /// Against the rules for every field section; the session refuses it by itself.
    var isMalformed = false

    /// As RFC 9113 section 6.5.2 counts: name, value and 32 for each field.
    private var size = 0
    private var count = 0
    private let crumbs = Buffer(capacity: 64)
    private var crumbName = Slice.none

    init() {}

    func begin() {
        text.clear()
        fields.removeAll(keepingCapacity: true)
        method = .none
        scheme = .none
        path = .none
        authority = .none
        status = 0
        contentLength = nil
        isTooLarge = false
        isMalformed = false
        size = 0
        count = 0
        crumbs.clear()
    }

    /// Takes one field. False = so far above the limits that the connection should end.
    func take(_ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>, limits: HTTP1Limits) -> Bool {
        count &+= 1
        // Pseudo-fields come first, and trailers have none.
        let isHead = status != 0 || !method.isEmpty || name.count > 0 && name[0] == 0x3a
        let most = isHead ? limits.head : limits.trailers
        size &+= name.count &+ value.count &+ 32
        if isTooLarge || size > most || count > limits.fieldCount || name.count &+ value.count > limits.fieldLine {
            isTooLarge = true
            // Decoding must go on, or the table is lost; but a peer that sends many times the limit
            // does it on purpose.
            return size <= most * 4 && count <= limits.fieldCount * 4 + 64
        }
        guard name.count > 0 else {
            isMalformed = true
            return true
        }
        if name[0] == 0x3a {
            pseudo(name, value)
            return true
        }
        let number = FieldName.intern(name)
        switch number {
        case .cookie:
            // RFC 9113 section 8.2.3: crumbs are one field again, joined by "; ". An empty one adds nothing:
            // after the last "; " it would leave a space at the end of the value.
            if value.isEmpty { return true }
            if !crumbs.isEmpty { crumbs.append("; " as StaticString) }
            crumbs.append(value)
            return true
        case .contentLength:
            guard let length = value.decimal, contentLength == nil else {
                isMalformed = true
                return true
            }
            contentLength = UInt64(length)
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade: isMalformed = true
        default: break
        }
        append(number, name, value)
        return true
    }

    private func append(_ number: FieldName, _ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>) {
        let start = text.count
        text.append(name)
        text.append(": " as StaticString)
        let valueStart = text.count
        text.append(value)
        fields.append(Field(name: number, nameText: Slice(start, start &+ name.count), value: Slice(valueStart, text.count)))
        text.append("\r\n" as StaticString)
    }

    /// Pseudo-fields stand one after the other, each followed by a space: `:method` before `:path` gives
    /// the beginning of a request line.
    private func pseudo(_ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>) {
        // The length leaves one candidate, or three that differ in two letters.
        switch name.count {
        case 5 where name.equals(":path"): path = place(value)
        case 10 where name.equals(":authority"): authority = place(value)
        case 7 where name[1] == 0x6d && name.equals(":method"): method = place(value)
        case 7 where name[2] == 0x63 && name.equals(":scheme"): scheme = place(value)
        case 7 where name.equals(":status"):
            guard value.count == 3, let code = value.decimal, code >= 100 && code <= 599 else {
                isMalformed = true
                return
            }
            status = UInt16(code)
        default: isMalformed = true
        }
    }

    private func place(_ value: borrowing Span<UInt8>) -> Slice {
        let start = text.count
        text.append(value)
        let slice = Slice(start, text.count)
        text.append(0x20)
        return slice
    }

    /// All fields have come.
    func end() {
        guard !crumbs.isEmpty else { return }
        crumbs.withReadable { value in
            let name: StaticString = "cookie"
            let start = text.count
            text.append(name)
            text.append(": " as StaticString)
            let valueStart = text.count
            text.append(value)
            fields.append(Field(name: .cookie, nameText: Slice(start, start &+ 6), value: Slice(valueStart, text.count)))
            text.append("\r\n" as StaticString)
        }
    }
}
