package devkit

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxPairFile bounds what is read as a key file.
const maxPairFile = 256 << 10

// pair is a private key with its certificate.
type pair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// encodePair renders a key and its certificate as one PEM file.
func encodePair(key *ecdsa.PrivateKey, der []byte) ([]byte, error) {
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: k})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})...), nil
}

// readPair reads what encodePair made. It refuses a file that others may read:
// whoever has the key can pretend to be any host to those who trust the CA.
func readPair(path string) (*pair, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := st.Mode(); runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %#o lets others read the private key: chmod 600 it, or remove it and the next start makes a new one", path, mode.Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPairFile))
	if err != nil {
		return nil, err
	}
	p, err := decodePair(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove the file and the next start makes a new one", path, err)
	}
	return p, nil
}

func decodePair(data []byte) (*pair, error) {
	var p pair
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case pemKey:
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("private key: %w", err)
			}
			key, ok := k.(*ecdsa.PrivateKey)
			if !ok {
				return nil, fmt.Errorf("private key: a %T, not an ECDSA key", k)
			}
			p.key = key
		case pemCertificate:
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate: %w", err)
			}
			p.cert = c
		}
	}
	if p.key == nil || p.cert == nil {
		return nil, errors.New("not a private key with its certificate")
	}
	if !p.key.PublicKey.Equal(p.cert.PublicKey) {
		return nil, errors.New("the private key is not that of the certificate")
	}
	return &p, nil
}

// createFile makes a file that was not there, whole or not at all. The error
// is fs.ErrExist where another process was faster.
func createFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := writeTemp(path, data, mode)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	// A hard link, unlike a rename, never replaces what is there.
	err = os.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(tmp, path) // a file system without hard links
}

// The modes of files with certificates and with private keys.
const (
	ModePublic  fs.FileMode = 0o644
	ModePrivate fs.FileMode = 0o600
)

// ReplaceFile gives a file a new content and mode, whole or not at all; it
// never has a wider mode on the way.
func ReplaceFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := writeTemp(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// writeTemp writes data beside path and returns the new file's name. The file
// never has a wider mode than asked for.
func writeTemp(path string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		f.Close()
		return "", err
	}
	if err := f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		f.Close()
		return "", err
	}
	// Without this a machine that loses power may come back with an empty key.
	if err := f.Sync(); err != nil {
		f.Close()
		return "", err
	}
	return f.Name(), f.Close()
}
