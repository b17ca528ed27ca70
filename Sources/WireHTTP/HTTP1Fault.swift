/// Why a message was refused. Each is a counter of its own, and each has one status.
public enum HTTP1Fault: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    case badRequestLine, badMethod, badTarget, badVersion, lineTooLong
    case bareLineFeed, badFieldName, badFieldValue, obsoleteFolding, fieldTooLong, tooManyFields, headTooLarge
    case missingHost, duplicateHost, badHost
    case badContentLength, duplicateContentLength, lengthAndCoding, codingOnHTTP10, badTransferEncoding
    case unknownTransferCoding, unknownExpectation
    case badChunkSize, badChunkExtension, badChunkEnd, badTrailer, trailersTooLarge
    case badStatusLine, tooManyInterim, connectUnsupported

    /// The answer to a client that sent it.
    public var status: UInt16 {
        switch self {
        case .lineTooLong: 414
        case .fieldTooLong, .tooManyFields, .headTooLarge, .trailersTooLarge: 431
        case .unknownTransferCoding, .connectUnsupported: 501
        case .unknownExpectation: 417
        case .badVersion: 505
        default: 400
        }
    }

    /// Fit to be shown to the client and used as a metric label.
    public var label: StaticString {
        switch self {
        case .badRequestLine: "bad_request_line"
        case .badMethod: "bad_method"
        case .badTarget: "bad_target"
        case .badVersion: "bad_version"
        case .lineTooLong: "line_too_long"
        case .bareLineFeed: "bare_line_feed"
        case .badFieldName: "bad_field_name"
        case .badFieldValue: "bad_field_value"
        case .obsoleteFolding: "obsolete_folding"
        case .fieldTooLong: "field_too_long"
        case .tooManyFields: "too_many_fields"
        case .headTooLarge: "head_too_large"
        case .missingHost: "missing_host"
        case .duplicateHost: "duplicate_host"
        case .badHost: "bad_host"
        case .badContentLength: "bad_content_length"
        case .duplicateContentLength: "duplicate_content_length"
        case .lengthAndCoding: "content_length_with_transfer_encoding"
        case .codingOnHTTP10: "transfer_encoding_on_http_1_0"
        case .badTransferEncoding: "bad_transfer_encoding"
        case .unknownTransferCoding: "unknown_transfer_coding"
        case .unknownExpectation: "unknown_expectation"
        case .badChunkSize: "bad_chunk_size"
        case .badChunkExtension: "bad_chunk_extension"
        case .badChunkEnd: "bad_chunk_end"
        case .badTrailer: "bad_trailer"
        case .trailersTooLarge: "trailers_too_large"
        case .badStatusLine: "bad_status_line"
        case .tooManyInterim: "too_many_interim_responses"
        case .connectUnsupported: "connect_unsupported"
        }
    }
}

/// How far a parser came with the bytes it was given.
public enum HTTP1Progress: Sendable, BitwiseCopyable {
    /// The head is incomplete; call again with the same bytes and more behind them.
    case needMore
    /// The head is complete and so many bytes long, blank line included.
    case complete(Int)
    case failed(HTTP1Fault)
}

/// How a body is delimited (RFC 9112 section 6).
public enum BodyFraming: Sendable, Hashable, BitwiseCopyable {
    case none
    case length(UInt64)
    case chunked
    /// Answers only: the body ends with the connection.
    case untilClose
}
