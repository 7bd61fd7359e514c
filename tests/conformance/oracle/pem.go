package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// Every block of a text, what becomes of it when it is written again, and what follows the last one.
func pemBlocks(in []byte) (any, error) {
	type block struct {
		Type    string            `json:"type"`
		Headers map[string]string `json:"headers"`
		Bytes   []byte            `json:"bytes"`
		Encoded string            `json:"encoded"`
	}
	blocks := []block{}
	rest := in
	for {
		var found *pem.Block
		found, rest = pem.Decode(rest)
		if found == nil {
			return map[string]any{"blocks": blocks, "rest": rest}, nil
		}
		blocks = append(blocks, block{found.Type, found.Headers, found.Bytes, string(pem.EncodeToMemory(found))})
	}
}

// The certificates of a bundle, and everything else in it.
func splitPEM(in []byte) (any, error) {
	var certificates, others []byte
	for block, rest := pem.Decode(in); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certificates = append(certificates, pem.EncodeToMemory(block)...)
		} else {
			others = append(others, pem.EncodeToMemory(block)...)
		}
	}
	return []string{string(certificates), string(others)}, nil
}

// The key identifiers of a certificate; null where it has none.
func keyIDs(in []byte) (any, error) {
	block, _ := pem.Decode(in)
	if block == nil {
		return nil, errors.New("no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	return [][]byte{certificate.AuthorityKeyId, certificate.SubjectKeyId}, nil
}

func decodeBase64(in []byte) (any, error) {
	return base64.StdEncoding.DecodeString(string(in))
}

func decodeHex(in []byte) (any, error) {
	return hex.DecodeString(string(in))
}
