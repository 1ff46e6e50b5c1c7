module works

go 1.22
