package profile

import "bytes"

// tooDeep is the line where brackets, or the parts of a dotted key, go deeper than MaxDepth, or 0. The library's parser
// takes time and stack that grow with the square of both, so this comes before it.
//
// It may misread what is not TOML, but not before the place where the parser gives up.
func tooDeep(data []byte) int {
	line, depth, dots := 1, 0, 0
	for len(data) > 0 {
		n := token(data)
		switch data[0] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '.':
			dots++
		case '\n', '=', ',':
			dots = 0
		}
		if depth > MaxDepth || dots >= MaxDepth {
			return line
		}
		line += bytes.Count(data[:n], []byte("\n"))
		data = data[n:]
	}
	return 0
}

// token is the length of the string or comment that data begins with, or 1.
func token(data []byte) int {
	switch {
	case data[0] == '#':
		return through(data, 0, "\n", false)
	case bytes.HasPrefix(data, []byte(`"""`)):
		return withQuotes(data, through(data, 3, `"""`, true))
	case bytes.HasPrefix(data, []byte(`'''`)):
		return withQuotes(data, through(data, 3, `'''`, false))
	case data[0] == '"':
		return through(data, 1, `"`, true)
	case data[0] == '\'':
		return through(data, 1, `'`, false)
	}
	return 1
}

// through is the length of data to the end of the closing mark, looked for from the index from.
func through(data []byte, from int, mark string, escapes bool) int {
	for i := from; i < len(data); i++ {
		if escapes && data[i] == '\\' {
			i++
		} else if bytes.HasPrefix(data[i:], []byte(mark)) {
			return i + len(mark)
		}
	}
	return len(data)
}

// withQuotes adds up to two quotes, which a string in triple quotes may end with.
func withQuotes(data []byte, n int) int {
	for more := 0; more < 2 && n < len(data) && data[n] == data[0]; more++ {
		n++
	}
	return n
}
