"""Messages for the ProtoJSON conformance tests: .proto files, generators, and the reference."""
