public import Exchanges

/// The pieces of HTTP/1.1 messages as the gateway writes them: one form, whatever came in.
public enum HTTP1Encoder {
    /// `HTTP/1.1 SP status SP reason CRLF`.
    public static func statusLine(_ status: UInt16, into out: Buffer) {
        out.append("HTTP/1.1 " as StaticString)
        out.append(decimal: UInt64(status))
        out.append(0x20)
        out.append(reason(status))
        crlf(out)
    }

    @inline(__always) @inlinable public static func crlf(_ out: Buffer) { out.append("\r\n" as StaticString) }

    /// One field line, from slices of `text`.
    @inline(__always) @inlinable
    public static func field(_ field: Field, of text: borrowing Span<UInt8>, into out: Buffer) {
        // Name, ": ", value stand together in nearly every message: one copy instead of three.
        let from = Int(field.nameText.start)
        let between = Int(field.value.start) &- field.nameText.end
        if between == 2 && text[field.nameText.end &+ 1] == 0x20 {
            out.append(text.extracting(from..<field.value.end))
        } else {
            out.append(field.nameText, of: text)
            out.append(": " as StaticString)
            out.append(field.value, of: text)
        }
        crlf(out)
    }

    @inline(__always) @inlinable
    public static func field(_ name: StaticString, _ value: borrowing Span<UInt8>, into out: Buffer) {
        out.append(name)
        out.append(": " as StaticString)
        out.append(value)
        crlf(out)
    }

    public static func contentLength(_ length: UInt64, into out: Buffer) {
        out.append("Content-Length: " as StaticString)
        out.append(decimal: length)
        crlf(out)
    }

    public static func chunkedCoding(into out: Buffer) {
        out.append("Transfer-Encoding: chunked\r\n" as StaticString)
    }

    /// The size line before a chunk of `count` bytes; the data and `crlf` follow.
    public static func chunkSize(_ count: Int, into out: Buffer) {
        out.append(hex: UInt64(count))
        crlf(out)
    }

    /// The end of a chunked body: last chunk, trailers (whole lines, CRLF each), blank line.
    public static func lastChunk(trailers: Buffer?, into out: Buffer) {
        out.append("0\r\n" as StaticString)
        if let trailers { trailers.withReadable { out.append($0) } }
        crlf(out)
    }

    /// May this trailer be forwarded? Fields the gateway knows by number (framing, routing,
    /// authentication, forwarding) never become valid by arriving late (RFC 9110 section 6.5.1).
    public static func isForwardable(trailer: Field) -> Bool { trailer.name == .other }

    /// The registered phrase (RFC 9110 section 15 and others); empty for an unregistered status.
    public static func reason(_ status: UInt16) -> StaticString {
        switch status {
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 103: "Early Hints"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 203: "Non-Authoritative Information"
        case 204: "No Content"
        case 205: "Reset Content"
        case 206: "Partial Content"
        case 300: "Multiple Choices"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 407: "Proxy Authentication Required"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 425: "Too Early"
        case 426: "Upgrade Required"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 451: "Unavailable For Legal Reasons"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        case 511: "Network Authentication Required"
        default: ""
        }
    }
}
