// Package types has the names that Go's YAML errors mention: `cannot unmarshal … into types.StringArray`.
package types

// StringArray is the document of the `objects` parameter.
type StringArray struct {
	Array []string `yaml:"array"`
}

// KeyVaultObject is what one string of the array holds.
type KeyVaultObject struct {
	ObjectName           string `yaml:"objectName"`
	ObjectAlias          string `yaml:"objectAlias"`
	ObjectVersion        string `yaml:"objectVersion"`
	ObjectVersionHistory int32  `yaml:"objectVersionHistory"`
	ObjectType           string `yaml:"objectType"`
	ObjectFormat         string `yaml:"objectFormat"`
	ObjectEncoding       string `yaml:"objectEncoding"`
	FilePermission       string `yaml:"filePermission"`
}
