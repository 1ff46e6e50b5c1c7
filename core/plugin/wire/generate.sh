#!/bin/sh
# Makes planner.pb.go and planner_grpc.pb.go from planner.proto. Needs protoc (Debian: protobuf-compiler); the two
# generators are tools of this module.
set -eu
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH="$bin:$PATH" protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative planner.proto
