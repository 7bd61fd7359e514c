module keymount.test/oracle

go 1.25.0

require (
	golang.org/x/crypto v0.51.0
	gopkg.in/yaml.v3 v3.0.1
)
