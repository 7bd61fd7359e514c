package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"golang.org/x/crypto/pkcs12"
)

// A PEM text's blocks, or a PFX file's when there is no block of the wanted kind.
func bundle(in []byte, wanted func(*pem.Block) bool) ([]*pem.Block, error) {
	var blocks []*pem.Block
	rest := in
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		if wanted(block) {
			blocks = append(blocks, block)
		}
		rest = after
	}
	if len(blocks) > 0 {
		return blocks, nil
	}
	all, err := pkcs12.ToPEM(rest, "")
	for _, block := range all {
		if wanted(block) {
			blocks = append(blocks, block)
		}
	}
	return blocks, err
}

// tls.crt of a synced Secret.
func tlsCertificate(in []byte) (any, error) {
	blocks, err := bundle(in, func(block *pem.Block) bool { return block.Type == "CERTIFICATE" })
	var out []byte
	for _, block := range blocks {
		out = append(out, pem.EncodeToMemory(block)...)
	}
	return string(out), err
}

// tls.key of a synced Secret: of the last block that is no certificate.
func tlsKey(in []byte) (any, error) {
	blocks, err := bundle(in, func(block *pem.Block) bool { return block.Type != "CERTIFICATE" })
	if err != nil {
		return nil, err
	}
	out := &pem.Block{Type: "PRIVATE KEY"}
	if len(blocks) > 0 {
		// What cannot be parsed leaves the block empty.
		key, _ := parseKey(blocks[len(blocks)-1].Bytes)
		switch key := key.(type) {
		case nil:
		case *rsa.PrivateKey:
			out.Type, out.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)
		case *ecdsa.PrivateKey:
			out.Type = "EC PRIVATE KEY"
			if out.Bytes, err = x509.MarshalECPrivateKey(key); err != nil {
				return nil, err
			}
		default:
			return nil, errors.New("unknown private key type found while getting key. Only rsa and ecdsa are supported")
		}
	}
	return string(pem.EncodeToMemory(out)), nil
}
