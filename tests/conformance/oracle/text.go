package main

import (
	"encoding/json"
	"io/fs"

	"gopkg.in/yaml.v3"
	"keymount.test/oracle/types"
)

// The `objects` parameter: a mapping with an array of strings.
func yamlArray(in []byte) (any, error) {
	var document types.StringArray
	err := yaml.Unmarshal(in, &document)
	if document.Array == nil {
		document.Array = []string{}
	}
	return document.Array, err
}

// One string of the array: the fields of an object, in the order of the reference.
func yamlObject(in []byte) (any, error) {
	var object types.KeyVaultObject
	err := yaml.Unmarshal(in, &object)
	return []any{
		object.ObjectName, object.ObjectAlias, object.ObjectVersion, object.ObjectType,
		object.ObjectFormat, object.ObjectEncoding, object.FilePermission, object.ObjectVersionHistory,
	}, err
}

// The `attributes` and `secrets` of a mount request.
func jsonMap(in []byte) (any, error) {
	var values map[string]string
	err := json.Unmarshal(in, &values)
	return values, err
}

// The `permission` of a mount request.
func jsonMode(in []byte) (any, error) {
	var mode fs.FileMode
	err := json.Unmarshal(in, &mode)
	return uint32(mode), err
}
