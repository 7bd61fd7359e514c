package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/pkcs12"
)

// A key in any of the forms Go knows, as PKCS#8.
func parseKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("failed to parse key for type pkcs1, pkcs8 or ec")
}

func privateKey(in []byte) (any, error) {
	key, err := parseKey(in)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var own []byte
	switch key := key.(type) {
	case *rsa.PrivateKey:
		own = x509.MarshalPKCS1PrivateKey(key)
	case *ecdsa.PrivateKey:
		own, err = x509.MarshalECPrivateKey(key)
	}
	return [][]byte{pkcs8, own}, err
}

// A PFX file without password: its keys as PKCS#8, then its certificates, as PEM.
func convertPFX(in []byte) (any, error) {
	blocks, err := pkcs12.ToPEM(in, "")
	if err != nil {
		return nil, err
	}
	var keys, certificates bytes.Buffer
	for _, block := range blocks {
		if block.Type == "CERTIFICATE" {
			err = pem.Encode(&certificates, &pem.Block{Type: block.Type, Bytes: block.Bytes})
		} else {
			err = encodeKey(&keys, block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	return keys.String() + certificates.String(), nil
}

func encodeKey(out *bytes.Buffer, der []byte) error {
	key, err := parseKey(der)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return pem.Encode(out, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// The public key of a JSON web key, whose numbers are base64url.
func publicKey(in []byte) (any, error) {
	var jwk struct{ Kty, Crv, N, E, X, Y string }
	if err := json.Unmarshal(in, &jwk); err != nil {
		return nil, err
	}
	var failed error
	number := func(text string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		failed = errors.Join(failed, err)
		return new(big.Int).SetBytes(raw)
	}
	var key any
	switch jwk.Kty {
	case "RSA", "RSA-HSM":
		key = &rsa.PublicKey{N: number(jwk.N), E: int(number(jwk.E).Int64())}
	case "EC", "EC-HSM":
		curves := map[string]elliptic.Curve{
			"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(),
		}
		curve, known := curves[jwk.Crv]
		if !known {
			return nil, fmt.Errorf("curve %s is not supported", jwk.Crv)
		}
		key = &ecdsa.PublicKey{Curve: curve, X: number(jwk.X), Y: number(jwk.Y)}
	default:
		return nil, fmt.Errorf("failed to get key. key type '%s' currently not supported", jwk.Kty)
	}
	if failed != nil {
		return nil, failed
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
